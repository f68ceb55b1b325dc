/* Each thread serves one caller at a time. */
#include "model/caller.h"

#include <string.h>

#include "base/mention.h"
#include "base/utf8.h"

static _Thread_local const struct caller *current;

bool caller_sees(const struct caller *caller, const char *storage_dir)
{
	return caller->is_known &&
	       strncmp(storage_dir, caller->prefix, strlen(caller->prefix)) == 0;
}

void caller_set(const struct caller *caller)
{
	current = caller;
}

const struct caller *caller_current(void)
{
	return current;
}

bool caller_is_shown(const char *storage_dir)
{
	return !current || caller_sees(current, storage_dir);
}

json_t *caller_text(const char *text)
{
	AUTO_BUF named = { 0 };
	AUTO_BUF shown = { 0 };

	return mention_show(&named, text, caller_is_shown) &&
			       utf8_show(&shown, buf_text(&named))
		       ? json_string(buf_text(&shown))
		       : NULL;
}
