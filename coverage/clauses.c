/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of operation: the table itself is made from clauses.tsv and waivers.tsv by compile.py when
 * kickcall is built, sorted by id, so that looking a clause up is a binary search.
 */
#include <stdlib.h>
#include <string.h>
#include <coverage/clauses.h>

static int compare_id(const void *key, const void *row)
{
	return strcmp(key, ((const struct kc_clause *)row)->id);
}

const struct kc_clause *kc_clause_by_id(const char *id)
{
	return id ? bsearch(id, kc_clauses, kc_nclauses, sizeof(kc_clauses[0]), compare_id) : NULL;
}
