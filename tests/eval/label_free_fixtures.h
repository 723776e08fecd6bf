/* label_free_fixtures.h - made by make_label_free_fixtures.py. */
/* clang-format off */
static const double few[] = {1.43685482846066, -2.382068733699, 3.46839922641058};
static const double wide[] = {1.85831636260871, -3.62813616555891, 2.54467636642942};
static const double long_rows[] = {2.22132037655963, -3.89544938685325, 2.85355878845343};
static const double cka_same_width = 0.795497062092867;
static const double cka_other_width = 0.322104500498548;
