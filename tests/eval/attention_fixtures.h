/* attention_fixtures.h - made by make_attention_fixtures.py. */
/* clang-format off */
static const double with_class_distance[] = {14.8427123764101, 14.0067350795073, 14.7471004551656};
static const double with_class_entropy[] = {1.99668320448975, 1.29463821027291, 2.19540445728098};
static const double without_distance[] = {5.74497117943169, 6.2748838567084};
static const double without_entropy[] = {1.25234550010926, 1.49500176811525};
