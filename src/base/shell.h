/* shell.h - words that a POSIX shell reads back as they are, for commands that a user may copy. */
#ifndef PX_BASE_SHELL_H
#define PX_BASE_SHELL_H

/* `text` itself if it means nothing else to a shell, otherwise in single quotes. A new string. */
char *px_shell_word(const char *text);

#endif
