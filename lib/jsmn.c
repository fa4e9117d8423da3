/* The code of jsmn, compiled once, with the option that json.h declares it with. json_check is the
 * strict part. */
#define JSMN_PARENT_LINKS
#include <jsmn.h>
