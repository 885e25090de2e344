/* SPDX-License-Identifier: MIT */
/*
 * What is secret is replaced, what is not stays: one example of each rule. Formats of tokens, and
 * that any text will do, are for Python to say: tests/redaction/. Nothing here is a real secret.
 */
#include <time.h>

#include "check.h"
#include "renacer/redact.h"

static struct rn_redact redact;

static void rules_are(bool defaults, const char *const *patterns, const char *const *keys)
{
	struct rn_rules_error error;
	struct rn_rules *rules = rn_rules_create(defaults, patterns, keys, &error);

	if (!rules)
		check_failed(__FILE__, __LINE__, "%s at %u", error.what, error.at);
	rn_rules_destroy((struct rn_rules *)(uintptr_t)redact.rules);
	rn_redact_deinit(&redact);
	redact.rules = rules;
}

static const char *copy(const void *made, size_t len)
{
	static char text[4096];

	CHECK(len < sizeof(text));
	memcpy(text, made, len);
	text[len] = 0;
	return text;
}

static const char *in_text(const char *text)
{
	size_t len = strlen(text);
	const void *made = rn_redact_text(&redact, text, &len);

	return copy(made, len);
}

static const char *in_string(const char *text, bool cut)
{
	size_t len = strlen(text);
	const void *made;

	redact.cut = cut;
	made = rn_redact_string(&redact, text, &len);
	return copy(made, len);
}

static const char *shown(const char *text)
{
	size_t len = strlen(text);
	const void *made = rn_redact_shown(&redact, text, &len);

	return copy(made, len);
}

/* Words with | between. */
static const char *in_words(const char *line)
{
	static char all[4096];
	struct rn_words words = {0};
	size_t at = 0;

	all[0] = 0;
	for (const char *word = line;; word += strcspn(word, "|") + 1) {
		size_t len = strcspn(word, "|");
		bool last = word[len] == 0;
		const void *made = rn_redact_word(&redact, &words, word, &len);

		CHECK(at + len + 2 < sizeof(all));
		memcpy(all + at, made, len);
		at += len;
		all[at++] = last ? 0 : '|';
		if (last)
			return all;
	}
}

static void test_names_and_values(void)
{
	rules_are(true, NULL, NULL);
	CHECK_STR(in_text("DB_PASSWORD=hunter2 ls"), "DB_PASSWORD=REDACTED ls");
	CHECK_STR(in_text("password: hunter2\nnext"), "password: REDACTED\nnext");
	CHECK_STR(in_text("{\"token\": \"a b\\\"c\", \"x\": 1}"),
		  "{\"token\": \"REDACTED\", \"x\": 1}");
	CHECK_STR(in_text("\"{\\\"apiKey\\\":\\\"abc\\\"}\""),
		  "\"{\\\"apiKey\\\":\\\"REDACTED\\\"}\"");
	CHECK_STR(in_text("export AWS_SECRET_ACCESS_KEY='ab cd' && x"),
		  "export AWS_SECRET_ACCESS_KEY='REDACTED' && x");
	CHECK_STR(in_text("user[password]=pw1"), "user[password]=REDACTED");
	CHECK_STR(in_text("Server=db;Uid=me;Pwd=x;"), "Server=db;Uid=me;Pwd=REDACTED");
	CHECK_STR(in_text("/find?api_key=abc&page=2#top"), "/find?api_key=REDACTED&page=2#top");
	CHECK_STR(in_text("?X-Amz-Signature=ff&X-Amz-Credential=AK%2Fx&n=1"),
		  "?X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&n=1");
	CHECK_STR(in_text("Authorization: Bearer abc def\r\nHost: x"),
		  "Authorization: REDACTED\r\nHost: x");
	CHECK_STR(in_text("'Cookie: a=b; c=d' http://h/"), "'Cookie: REDACTED' http://h/");
	CHECK_STR(in_text("it said Bearer abcdefgh12345"), "it said Bearer REDACTED");
}

static void test_what_is_not_secret(void)
{
	static const char *const same[] = {
		"PWD=/home/me",
		"OLDPWD=/tmp",
		"max_tokens=100",
		"TOKENIZERS_PARALLELISM=true",
		"password_file=/run/x",
		"compass=north",
		"author: me",
		"monkey=1",
		"http://host:8080/a@b",
		"ssh://git@host/path",
		"/usr/lib/x86_64-linux-gnu/libc.so.6",
		"std::token::x",
		"docker run -u 1000:1000 x",
		"a",
		"task-0123456789012345678901234567890123456789",
		"-----BEGIN CERTIFICATE-----",
		"password=",
		"password=REDACTED",
		"authorization=\xe2\x80\xa6 --next",
	};

	rules_are(true, NULL, NULL);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		CHECK_STR(in_text(same[i]), same[i]);
	CHECK_INT(redact.count, 0);
}

static void test_addresses(void)
{
	rules_are(true, NULL, NULL);
	CHECK_STR(in_text("get https://me:pw@host/x?y"), "get https://REDACTED:REDACTED@host/x?y");
	CHECK_STR(in_text("https://abc@host/"), "https://REDACTED@host/");
	CHECK_STR(in_text("redis://:pw@host"), "redis://:REDACTED@host");
	CHECK_STR(in_text("postgres://u:p/w?d@host/db"), "postgres://REDACTED:REDACTED@host/db");
	CHECK_STR(in_string("https://me:pw", true), "https://REDACTED:REDACTED");
	CHECK_STR(in_string("https://mepw", true), "https://REDACTED");
	CHECK_STR(in_string("https://me:pw", false), "https://me:pw");
	CHECK_STR(in_string("https://host:80", true), "https://host:80");
}

static void test_command_lines(void)
{
	rules_are(true, NULL, NULL);
	CHECK_STR(in_words("mysql|-u|root|-psecret|db"), "mysql|-u|root|-pREDACTED|db");
	CHECK_STR(in_words("/usr/bin/mysql|-p|db"), "/usr/bin/mysql|-p|db");
	CHECK_STR(in_words("sudo|env|A=b|mysqldump|-pse cret"),
		  "sudo|env|A=b|mysqldump|-pREDACTED");
	CHECK_STR(in_words("tool|--password|a b|--next"), "tool|--password|REDACTED|--next");
	CHECK_STR(in_words("tool|--password=a b c|x"), "tool|--password=REDACTED|x");
	CHECK_STR(in_words("tool|--api-token|--odd|x"), "tool|--api-token|REDACTED|x");
	CHECK_STR(in_words("java|-Dkeystore.password=a|x"), "java|-Dkeystore.password=REDACTED|x");
	CHECK_STR(in_words("curl|-u|me:pw x|http://h/"), "curl|-u|me:REDACTED|http://h/");
	CHECK_STR(in_words("curl|-ume:1234"), "curl|-ume:REDACTED");
	CHECK_STR(in_words("curl|--user=me:pw"), "curl|--user=me:REDACTED");
	CHECK_STR(in_words("curl|-H|Authorization: Bearer a b"), "curl|-H|Authorization: REDACTED");
	CHECK_STR(in_words("curl|-H|X-Api-Key: abc"), "curl|-H|X-Api-Key: REDACTED");
	CHECK_STR(in_words("env|AWS_SECRET_ACCESS_KEY=a b|ls"),
		  "env|AWS_SECRET_ACCESS_KEY=REDACTED|ls");
	CHECK_STR(in_words("sh|-c|mysql -psecret --host h"), "sh|-c|mysql -pREDACTED --host h");
	CHECK_STR(in_words("sh|-c|x --password 'a b' c"), "sh|-c|x --password 'REDACTED' c");
	CHECK_STR(in_words("docker|run|-p|80:80|-u|0:0"), "docker|run|-p|80:80|-u|0:0");
	CHECK_STR(in_words("docker|login|-u|me|-p|pw"), "docker|login|-u|me|-p|REDACTED");
	CHECK_STR(in_words("sshpass|-p|pw|ssh|h"), "sshpass|-p|REDACTED|ssh|h");
	CHECK_STR(in_words("redis-cli|-a|pw|get|x"), "redis-cli|-a|REDACTED|get|x");
	CHECK_STR(in_words("smbclient|-U|me%pw|//h/s"), "smbclient|-U|me%REDACTED|//h/s");
	CHECK_STR(in_words("sqlplus|scott/tiger@db"), "sqlplus|scott/REDACTED");
	CHECK_STR(in_words("xfreerdp|/u:me|/p:pw"), "xfreerdp|/u:me|/p:REDACTED");
	CHECK_STR(in_words("openssl|rsa|-passin|pass:pw"), "openssl|rsa|-passin|pass:REDACTED");
	CHECK_STR(in_words("java|-user-password|x"), "java|-user-password|REDACTED");
	CHECK_STR(in_words("ls||--password|x"), "ls||--password|REDACTED");
	CHECK_STR(in_words("ls|-p|x|-u|me"), "ls|-p|x|-u|me");
}

static void test_what_strace_writes(void)
{
	rules_are(true, NULL, NULL);
	CHECK_STR(shown("[\"mysql\", \"-psecret\", \"--token\", \"a b\"...]"),
		  "[\"mysql\", \"-pREDACTED\", \"--token\", \"REDACTED\"...]");
	CHECK_STR(shown("\"password=a\\\"b\", 3</tmp/x>"), "\"password=REDACTED\", 3</tmp/x>");
	CHECK_STR(shown("{token=1, name=\"x\"}"), "{token=1, name=\"x\"}");
	CHECK_STR(shown("\"GET /?sig=abc HTTP/1.1\\r\\nCookie: a=b\\r\\n\\r\\n\""),
		  "\"GET /?sig=REDACTED HTTP/1.1\\r\\nCookie: REDACTED\\r\\n\\r\\n\"");
	CHECK_STR(shown("\"https://me:hunt\"..., 5"), "\"https://REDACTED:REDACTED\"..., 5");
}

static void test_keys_and_blocks(void)
{
	static const char *const keys[] = {"badge-no", NULL};
	char pem[200];

	rules_are(true, NULL, keys);
	CHECK_STR(in_text("BADGE_NO=7 badge=7"), "BADGE_NO=REDACTED badge=7");
	CHECK_STR(in_words("x|--badge-no|7|8"), "x|--badge-no|REDACTED|8");
	snprintf(pem, sizeof(pem), "a -----BEGIN %s KEY-----\nab/c\n-----END %s KEY----- b",
		 "RSA PRIVATE", "RSA PRIVATE");
	CHECK_STR(in_text(pem), "a REDACTED b");
	strstr(pem, "-----END")[0] = 0;
	CHECK_STR(in_text(pem), "a REDACTED");
	rules_are(false, NULL, keys);
	CHECK_STR(in_text("password=x badge-no=7"), "password=x badge-no=REDACTED");
}

static void test_cut_tokens(void)
{
	char token[64];

	rules_are(true, NULL, NULL);
	snprintf(token, sizeof(token), "/tmp/gh%s%s", "p_", "0123456789abcdef");
	CHECK_STR(in_string(token, true), "/tmp/REDACTED");
	CHECK_STR(in_string(token, false), token);
	token[9] = 0;
	CHECK_STR(in_string(token, true), "/tmp/REDACTED");
}

static void test_patterns(void)
{
	static const char *const two[] = {"(?i)emp-\\d{4,6}", "cust_[a-f0-9]+|\\bsecret(?:ed)?$",
					  NULL};
	static const char *const nested[] = {"((a*)*)*b", NULL};
	static const char *const anchors[] = {"^ab|c.?d", "[^\\w-]x", NULL};

	rules_are(false, two, NULL);
	CHECK_STR(in_text("EMP-1234 emp-123 cust_09af."), "REDACTED emp-123 REDACTED.");
	CHECK_STR(in_text("secret secreted"), "secret REDACTED");
	CHECK_STR(in_text("insecret"), "insecret");
	rules_are(false, anchors, NULL);
	CHECK_STR(in_text("abab cd c-d cxx -x +x"), "REDACTEDab REDACTED REDACTED cxx -x REDACTED");
	rules_are(false, nested, NULL);
	CHECK_STR(in_text("aaaac aab"), "aaaac REDACTED");
	/* Ranges of both kinds meet. */
	rules_are(true, (const char *const[]){"x=\\w+", NULL}, NULL);
	CHECK_STR(in_text("password=x=abc token=y x=1"),
		  "password=REDACTED token=REDACTED REDACTED");
}

static void refused(const char *pattern, uint32_t at, const char *what)
{
	const char *const patterns[] = {"fine", pattern, NULL};
	struct rn_rules_error error;

	CHECK(!rn_rules_create(true, patterns, NULL, &error));
	CHECK_INT(error.pattern, 1);
	CHECK_INT(error.at, at);
	CHECK(strstr(error.what, what));
}

static void test_patterns_that_will_not_do(void)
{
	char longest[1100];

	refused("a(?=b)", 1, "looking ahead");
	refused("(a)\\1", 3, "back references");
	refused("a(b", 1, "not closed");
	refused("a)b", 1, "not opened");
	refused("[a", 0, "not closed");
	refused("[z-a]", 1, "end comes before");
	refused("*a", 0, "nothing to repeat");
	refused("a**", 2, "cannot be repeated");
	refused("a{5,2}", 1, "less than the least");
	refused("a{9999}", 1, "1000 repeats");
	refused("(a{500}){500}", 0, "too large");
	refused("\\q", 0, "not supported");
	refused("a\\", 1, "backslash");
	refused("", 0, "empty");
	refused("(?x)a", 0, "not supported");
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	refused(longest, 1000, "longer than 1000");
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t time_of(const char *unit, size_t len)
{
	char *text = malloc(len + 1);
	size_t n = strlen(unit), size = len;
	uint64_t since;

	for (size_t i = 0; i < len; i++)
		text[i] = unit[i % n];
	since = cpu_ns();
	rn_redact_text(&redact, text, &size);
	since = cpu_ns() - since;
	free(text);
	return since;
}

/* Sixteen times the text takes about sixteen times as long: a square would be 256. */
static void test_time_grows_with_the_text(void)
{
	static const char *const units[] = {"eyJ.",        "-----BEGIN PRIVATE KEY",
					    "http://a:",   "token=",
					    "a=:",         "--password ",
					    "\"\\",        "sk-ant-",
					    "Bearer ",     "M.",
					    "://",         "a",
					    "password:\"", "a@b:c/",
					    "a,",          "PWD=/",
					    "http://a:b/"};
	static const char *const patterns[] = {"(a|aa)*c", "(x+x+)+y", NULL};

	for (int i = 0; i < 2; i++) {
		rules_are(true, i ? patterns : NULL, NULL);
		for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
			uint64_t small = time_of(units[u], 16384), large;

			for (int again = 0; again < 3; again++) {
				uint64_t once = time_of(units[u], 16384);

				small = once < small ? once : small;
			}
			large = time_of(units[u], 16 * 16384);
			if (large > 64 * small + 20000000u)
				check_failed(__FILE__, __LINE__, "%s: %llu and %llu ns", units[u],
					     (unsigned long long)small, (unsigned long long)large);
		}
	}
}

int main(void)
{
	test_names_and_values();
	test_what_is_not_secret();
	test_addresses();
	test_command_lines();
	test_what_strace_writes();
	test_keys_and_blocks();
	test_cut_tokens();
	test_patterns();
	test_patterns_that_will_not_do();
	test_time_grows_with_the_text();
	rn_rules_destroy((struct rn_rules *)(uintptr_t)redact.rules);
	redact.rules = NULL;
	rn_redact_deinit(&redact);
	return check_done();
}
