/* How many of a number of places one party may have, so that others always find room. */
#ifndef PGBERTH_BASE_SHARE_H
#define PGBERTH_BASE_SHARE_H

/*
 * Seven eighths, at least one, of what the other parties leave of `count` places. The
 * rest stays free, so that each party that comes next finds a place.
 */
static inline int share_of(int count, int others)
{
	int left = count - others;
	int kept_free = (left + 7) / 8;

	return left > kept_free ? left - kept_free : 1;
}

#endif
