/* bad_plugin.c - plug-ins that must be refused: NAME is what it calls its method's description, BEHIND how many
 * versions of the interface it is behind. None has what a method needs. */
#include "train/method.h"

extern const px_method NAME;
const px_method NAME = {.abi = PX_METHOD_ABI - BEHIND, .name = "bad"};
