/* SPDX-License-Identifier: MIT */
/* A run's own copy of what its configuration points to. */
#include <stdlib.h>
#include <string.h>

#include "run_private.h"

#define WANTED_WORDS (RN_ABI_COUNT * RN_ABI_WORDS)

static void free_strings(char **list)
{
	for (char **at = list; list && *at; at++)
		free(*at);
	free(list);
}

static char **copy_strings(const char *const *list)
{
	size_t n = 0;
	char **copy;

	while (list[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(list[i]);
		if (!copy[i]) {
			free_strings(copy);
			return NULL;
		}
	}
	return copy;
}

static uint64_t *copy_words(const uint64_t *words)
{
	uint64_t *copy = malloc(WANTED_WORDS * sizeof(*copy));

	if (copy)
		memcpy(copy, words, WANTED_WORDS * sizeof(*copy));
	return copy;
}

static bool copy_selection(rn_run *run, const rn_config *config)
{
	if (config->keep_calls) {
		run->kept = copy_words(config->keep_calls);
		if (!run->kept)
			return false;
	}
	if (config->wanted) {
		run->wanted = copy_words(config->wanted);
		run->recorded = copy_words(config->wanted);
		if (!run->wanted || !run->recorded)
			return false;
	}
	if (!config->paths)
		return true;
	if (run->recorded)
		rn_selection_widen(run->recorded);
	run->paths = copy_strings(config->paths);
	run->path_fds = calloc(config->path_fd_count + 1u, sizeof(*run->path_fds));
	if (!run->paths || !run->path_fds)
		return false;
	for (uint32_t i = 0; i < config->path_fd_count; i++)
		run->path_fds[i] = config->path_fds[i];
	return true;
}

bool rn_run_copy_config(rn_run *run, const rn_config *config)
{
	static const char *const none[] = {NULL};

	run->config = *config;
	if (config->limits)
		run->limits = (struct rn_limits){
			.attributes = config->limits->attributes,
			.value_length = config->limits->value_length,
			.events = config->limits->events,
			.links = config->limits->links,
			.event_attributes = config->limits->event_attributes,
			.link_attributes = config->limits->link_attributes,
		};
	run->config.limits = NULL; /* the caller's */
	run->argv = copy_strings(config->argv ? config->argv : none);
	run->envp = copy_strings(config->envp ? config->envp : none);
	run->tracestate = strdup(config->tracestate ? config->tracestate : "");
	run->options = strdup(config->options ? config->options : "");
	if (config->change_user) {
		run->groups = calloc(config->group_count + 1u, sizeof(*run->groups));
		if (!run->groups)
			return false;
		for (uint32_t i = 0; i < config->group_count; i++)
			run->groups[i] = config->groups[i];
	}
	if (config->text_prefix) {
		run->text_prefix = strdup(config->text_prefix);
		if (!run->text_prefix)
			return false;
	}
	if (!run->argv || !run->envp || !run->tracestate || !run->options)
		return false;
	run->attach = calloc(config->attach_count + 1u, sizeof(*run->attach));
	run->attach_errors = calloc(config->attach_count + 1u, sizeof(*run->attach_errors));
	if (!run->attach || !run->attach_errors)
		return false;
	for (uint32_t i = 0; i < config->attach_count; i++)
		run->attach[i] = config->attach[i];
	return copy_selection(run, config);
}

void rn_run_free_config(rn_run *run)
{
	free_strings(run->argv);
	free_strings(run->envp);
	free(run->tracestate);
	free(run->options);
	free(run->text_prefix);
	free(run->groups);
	free(run->attach);
	free(run->attach_errors);
	free(run->wanted);
	free(run->recorded);
	free(run->kept);
	free_strings(run->paths);
	free(run->path_fds);
}
