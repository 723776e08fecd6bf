/* test_shell.c - words for a shell: a shell must read back what went in, and plain words stay as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void plain_words_stay(void **state)
{
    (void)state;
    static const char *const plain[] = {"runs/first", "optim.lr=0.3", "a_b-c.d:e,f+g@h%i", "/x/Y9"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        char *word = px_shell_word(plain[i]);
        assert_string_equal(word, plain[i]);
        free(word);
    }
}

static void a_shell_reads_them_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     "two words", "it's",        "'",     "''",        "a\"b`c$d\\e",
                                        "~/x",  "*",         "steps=[1,2]", "a;b&c", "new\nline", "Knöchel",
                                        "#not", "!x",        "(a|b)<c>"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *word = px_shell_word(texts[i]), *command = px_format("printf '%%s|' %s", word), read[200] = "";
        FILE *shell = popen(command, "r");
        assert_non_null(shell);
        size_t length = fread(read, 1, sizeof read - 1, shell);
        assert_int_equal(pclose(shell), 0);
        assert_int_equal(length, strlen(texts[i]) + 1); /* one word */
        assert_memory_equal(read, texts[i], length - 1);
        free(command);
        free(word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stay),
        cmocka_unit_test(a_shell_reads_them_back),
    };
    return cmocka_run_group_tests_name("shell", tests, NULL, NULL);
}
