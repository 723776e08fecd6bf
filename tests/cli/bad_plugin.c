/* bad_plugin.c - plug-ins that must be refused: NAME is what it calls its method's description, INTERFACE the version of
 * the headers that it says it was built with. None has what a method needs. */
#include "pretext.h"

#ifdef INTERFACE
extern const char px_plugin_interface[];
const char px_plugin_interface[] = INTERFACE;
#endif
extern const px_method NAME;
const px_method NAME = {.name = "bad"};
