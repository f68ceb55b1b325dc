/* Each value is escaped, whoever wrote it, so that none forges a key or a line. */
#include "base/audit.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"

static const char *or_none(const char *text)
{
	return text && *text ? text : "-";
}

static bool has(const char *text)
{
	return text && *text;
}

static bool call_add(struct buf *text, const struct audit *line)
{
	return !has(line->path) ||
	       buf_printf(text, " from=%s call=\"%s %s\"", LOG_WORD(line->from),
			  LOG_WORD(line->method), LOG_WORD(line->path));
}

static bool change_add(struct buf *text, const struct audit *line)
{
	return buf_printf(text, " token=%s action=%s fields=%s",
			  LOG_WORD(or_none(line->token)), LOG_WORD(line->action),
			  or_none(line->fields)) &&
	       (!has(line->trash) ||
		buf_printf(text, " trash=%s", LOG_WORD(line->trash)));
}

static bool answer_add(struct buf *text, const struct audit *line)
{
	int status = line->err ? error_status(line->err->code) : 200;

	return (!has(line->path) || buf_printf(text, " status=%d", status)) &&
	       (!has(line->wrong) ||
		buf_printf(text, " field=%s", LOG_WORD(line->wrong)));
}

bool audit_text(struct buf *ret, const struct audit *line, bool is_cut_off)
{
	const char *result = line->err ? error_slug(line->err->code) : "ok";

	return buf_printf(ret, "audit who=%s", LOG_WORD(or_none(line->who))) &&
	       call_add(ret, line) && change_add(ret, line) &&
	       (is_cut_off || answer_add(ret, line)) &&
	       buf_printf(ret, " name=%s result=%s", LOG_WORD(or_none(line->name)),
			  is_cut_off ? "cut_off" : result);
}

void audit(const struct audit *line)
{
	AUTO_BUF text = { 0 };

	if (audit_text(&text, line, false))
		log_info("%s", buf_text(&text));
	else
		log_error("audit line not written error=\"out of memory\" name=%s",
			  LOG_WORD(or_none(line->name)));
}

void audit_own(const char *action, const char *name, const char *fields)
{
	audit(&(struct audit){
		.who = "pgberthd", .action = action, .name = name, .fields = fields });
}
