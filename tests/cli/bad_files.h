/* bad_files.h - a folder full of bad inputs, each with one thing wrong: sources for pack, data sets, weights,
 * checkpoints, configurations. They are made in the current folder from two good files that must exist: d.h5, a data
 * set of 96 RGB images of 16 px and 5 classes in two splits, and ok/checkpoint.h5.
 */
#ifndef PX_TESTS_CLI_BAD_FILES_H
#define PX_TESTS_CLI_BAD_FILES_H

void bad_files_configurations(void); /* *.cfg */
void bad_files_sources(void); /* idx-*, cifar-*, stl-*, images-*: folders (images-odd is good); *.tar, *.zip, *.gz */
void bad_files_sets(void);    /* set-*.h5 */
void bad_files_weights(void); /* w-*.safetensors */
void bad_files_checkpoints(void); /* c-*.h5, and runs r-NAME/ that contain only one of them */

#endif
