/* SPDX-License-Identifier: MIT */
/*
 * Spans that make a later part of a run whole: part of span_processes.h.
 *
 * Root of a part, named as the run
 *   renacer.part               int     which one, from 2 on
 *   Links: renacer.edge        string  "run": the run's root, "previous", "next": the parts beside it
 *
 * Copy of a process, named as that: of the calls and processes that it has in this part
 *   process.pid, process.parent_pid, process.executable.name
 *   renacer.part               int     in which part it is
 *   renacer.copy               true
 *   Links: renacer.edge        string  "process": the process's own span
 */

static void walk_omitted(struct writer *w, const struct rn_omitted *omitted)
{
	if (!omitted->calls)
		return;
	attr_int(w, RN_KEY("renacer.omitted.calls"), walk_count(omitted->calls));
	attr_int(w, RN_KEY("renacer.omitted.duration"), walk_count(omitted->ns));
}

/* Why the calls that are there were let go by the flight recorder. */
static void walk_flown(struct writer *w, const struct rn_run_span *run)
{
	static const char *const reasons[] = {"exit", "crash", "signal", "assertion"};
	char text[64];
	size_t len = 0;

	if (!run->flown)
		return;
	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!(run->flown >> i & 1u))
			continue;
		if (len)
			text[len++] = ',';
		memcpy(text + len, reasons[i], strlen(reasons[i]));
		len += strlen(reasons[i]);
	}
	attr_text(w, RN_KEY("renacer.flight_recorder"), text, len);
	if (run->omitted_processes)
		attr_int(w, RN_KEY("renacer.omitted.processes"),
			 walk_count(run->omitted_processes));
}

/* The rest of a copy, whose span is open and has its numbers. */
static void walk_copy(struct writer *w, const struct rn_span_head *head,
		      const struct rn_process *copy)
{
	walk_string(w, RN_KEY("process.executable.name"), copy->name);
	attr_int(w, RN_KEY("renacer.part"), copy->part);
	attr_true(w, RN_KEY("renacer.copy"));
	walk_lamport(w, copy->lamport_start, copy->lamport_end);
	if (walk_is_cut(w))
		attr_true(w, RN_KEY("renacer.truncated"));
	attrs_close(w);
	walk_links(w, NULL, copy->links, copy->nlinks, 0);
	span_close(w, head, false);
}

static void walk_part(struct writer *w, const struct rn_span_head *head,
		      const struct rn_run_span *root)
{
	attr_int(w, RN_KEY("renacer.part"), root->part);
	walk_lamport(w, root->lamport_start, root->lamport_end);
	attrs_close(w);
	walk_links(w, NULL, root->links, root->nlinks, 0);
	span_close(w, head, false);
}
