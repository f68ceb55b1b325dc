/* manifest.json of a major is written when its image is built. */
#include "store/template.h"

#include <jansson.h>
#include <stdio.h>

#include "base/files.h"
#include "base/scope.h"
#include "model/config.h"
#include "model/record.h"
#include "store/tree.h"

#define MANIFEST_MAX (64 * 1024)

bool store_template(int version, struct template *ret, struct error *err)
{
	const char *image_id, *directory, *libc, *icu;
	json_auto_t *json = NULL;
	AUTO_BUF text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "templates/%d/manifest.json", version);
	if (!files_read(store_tree.root, path, MANIFEST_MAX, &text, err))
		return fail(err, ERR_IMAGE_MISSING,
			    "the image of PostgreSQL %d is missing; run make up",
			    version);
	json = json_loadb(buf_text(&text), text.length, 0, NULL);
	if (json_unpack(json, "{s:s s:s s:s s:s}", "image_id", &image_id, "template",
			&directory, "libc", &libc, "icu", &icu) != 0 ||
	    !name_is_valid(directory))
		return fail(err, ERR_IMAGE_MISSING, "%s/%s cannot be understood",
			    config()->root, path);
	snprintf(ret->image_id, sizeof(ret->image_id), "%s", image_id);
	snprintf(ret->directory, sizeof(ret->directory), "%s", directory);
	snprintf(ret->libc, sizeof(ret->libc), "%s", libc);
	snprintf(ret->icu, sizeof(ret->icu), "%s", icu);
	return true;
}

int store_template_open(int version, const struct template *template, struct error *err)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "templates/%d/%s", version, template->directory);
	fd = files_open_dir(store_tree.root, path);
	if (fd < 0)
		fail_errno(err, "cannot open the template %s/%s", config()->root, path);
	return fd;
}
