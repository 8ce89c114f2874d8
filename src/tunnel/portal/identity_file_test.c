/* Identity files, in a folder of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/identity_vector_test.h"

struct place {
	char folder[64], path[96];
};

static int setup(void **state)
{
	struct place *p = mem_new(p);

	assert_non_null(p);
	str_copy(p->folder, sizeof(p->folder), "/tmp/adit-identity-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->path, sizeof(p->path), "%s/identity.json", p->folder);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	assert_int_equal(rmdir(p->folder), 0); /* and so nothing else was left in it */
	free(p);
	return 0;
}

static void write_text(const struct place *p, const char *text)
{
	FILE *f = fopen(p->path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void file_equals(const struct place *p, const char *text)
{
	char got[2048] = "";
	FILE *f = fopen(p->path, "r");

	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(got, text);
}

static void test_an_identity_is_made_once(void **state)
{
	struct place *p = *state;
	const struct identity_source source = { .kind = IDENTITY_CLIENT,
		.path = p->path };
	struct identity first, second;
	struct stat st;

	assert_int_equal(identity_obtain(&source, &first, NULL), ERR_OK);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(identity_obtain(&source, &second, NULL), ERR_OK);
	assert_memory_equal(&first, &second, sizeof(first));
}

static void test_a_whole_file_is_left_alone(void **state)
{
	struct place *p = *state;
	const struct identity_source source = { .path = p->path, .name = "Demo App" };
	struct stat before, after;
	struct identity id;

	write_text(p, VECTOR_FILE);
	assert_int_equal(stat(p->path, &before), 0);
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	assert_string_equal(id.name, "demo-app");
	assert_int_equal(stat(p->path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
}

static void test_a_file_is_closed_to_others(void **state)
{
	struct place *p = *state;
	const struct identity_source source = { .path = p->path };
	struct identity id;
	struct stat st;

	write_text(p, VECTOR_FILE);
	assert_int_equal(chmod(p->path, 0644), 0);
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_a_new_name_is_saved(void **state)
{
	struct place *p = *state;
	struct identity_source source = { .path = p->path, .name = "other" };
	struct identity id;
	struct stat st;

	write_text(p, VECTOR_FILE);
	assert_int_equal(chmod(p->path, 0644), 0);
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	assert_string_equal(id.address, VECTOR_ADDRESS);
	source.name = NULL;
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	assert_string_equal(id.name, "other");
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_a_missing_token_secret_is_made_and_saved(void **state)
{
	struct place *p = *state;
	const struct identity_source source = { .path = p->path };
	struct identity first, second;

	write_text(p, "{\"name\":\"x\",\"private_key\":\"0x" VECTOR_SECRET "\"}");
	assert_int_equal(identity_obtain(&source, &first, NULL), ERR_OK);
	assert_int_equal(identity_obtain(&source, &second, NULL), ERR_OK);
	assert_string_equal(first.address, VECTOR_ADDRESS);
	assert_string_equal(first.token_secret, second.token_secret);
}

static void test_a_given_text_goes_before_the_file(void **state)
{
	struct place *p = *state;
	struct identity_source source = { .path = p->path };
	struct identity made, id;

	assert_int_equal(identity_obtain(&source, &made, NULL), ERR_OK);
	source.json = "{\"private_key\":\"" VECTOR_SECRET "\",\"token_secret\":\"s\"}";
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	assert_string_equal(id.name, made.name); /* the text has none, the file had */
	assert_string_equal(id.address, VECTOR_ADDRESS);
	source.json = VECTOR_FILE;
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	file_equals(p, VECTOR_FILE);
	source.name = "third";
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	source.json = NULL;
	source.name = NULL;
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	assert_string_equal(id.name, "third");
}

static void test_a_broken_file_is_left_alone(void **state)
{
	static const char *const rows[] = { "", "{\"private_key\":\"" };
	struct place *p = *state;
	struct identity_source source = { .path = p->path, .name = "x" };
	struct identity id;
	struct why why;

	for (size_t i = 0; i < mem_count(rows); i++) {
		write_text(p, rows[i]);
		source.json = NULL;
		assert_int_equal(identity_obtain(&source, &id, &why), ERR_SYNTAX);
		assert_non_null(strstr(why.text, p->path));
		source.json = "{\"private_key\":\"" VECTOR_SECRET "\"}";
		assert_int_equal(identity_obtain(&source, &id, &why), ERR_SYNTAX);
		file_equals(p, rows[i]);
	}
}

static void test_a_huge_file_is_refused(void **state)
{
	struct place *p = *state;
	const struct identity_source source = { .path = p->path };
	struct identity id;

	write_text(p, "{}");
	assert_int_equal(truncate(p->path, 10 << 20), 0);
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_LIMIT);
}

/* A name that a relay refuses must not be the one that is asked for next. */
static void test_a_name_that_is_tried_is_kept_when_it_was_of_use(void **state)
{
	struct place *p = *state;
	struct identity_source source = { .path = p->path,
		.name = "tried",
		.is_name_provisional = true };
	struct identity tried, id;

	for (unsigned i = 0; i < 2; i++) {
		if (i == 1)
			write_text(p, VECTOR_FILE);
		source.name = "tried";
		assert_int_equal(identity_obtain(&source, &tried, NULL), ERR_OK);
		assert_string_equal(tried.name, "tried");
		source.name = NULL;
		assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
		assert_string_equal(id.address, tried.address);
		assert_string_not_equal(id.name, "tried");
		if (i == 1)
			assert_string_equal(id.name, VECTOR_NAME);
		assert_int_equal(identity_file_keep_name(p->path, &tried, NULL), ERR_OK);
		assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
		assert_string_equal(id.name, tried.name);
		assert_string_equal(id.token_secret, tried.token_secret);
		assert_memory_equal(id.secret, tried.secret, sizeof(id.secret));
	}
}

static void test_a_name_is_kept_for_its_own_key_only(void **state)
{
	struct place *p = *state;
	struct identity_source source = { .name = "tried" };
	struct identity other;

	assert_int_equal(identity_obtain(&source, &other, NULL), ERR_OK);
	assert_int_equal(identity_file_keep_name(p->path, &other, NULL), ERR_OK);
	assert_int_equal(identity_file_keep_name(NULL, &other, NULL), ERR_OK);
	write_text(p, VECTOR_FILE);
	assert_int_equal(identity_file_keep_name(p->path, &other, NULL), ERR_OK);
	file_equals(p, VECTOR_FILE);
	write_text(p, "hello");
	assert_int_equal(identity_file_keep_name(p->path, &other, NULL), ERR_SYNTAX);
	file_equals(p, "hello");
}

static void test_a_folder_must_be_there(void **state)
{
	struct identity_source source = { .path = "/nonexistent/identity.json" };
	struct identity id;
	struct why why;

	(void)state;
	assert_int_equal(identity_obtain(&source, &id, &why), ERR_SYS);
	assert_non_null(strstr(why.text, source.path));
	source.path = "/";
	assert_int_equal(identity_obtain(&source, &id, &why), ERR_SYS);
}

static void test_without_a_path_nothing_is_kept(void **state)
{
	struct identity_source source = { .kind = IDENTITY_CLIENT, .path = "" };
	struct identity first, second;

	(void)state;
	assert_int_equal(identity_obtain(&source, &first, NULL), ERR_OK);
	assert_int_equal(identity_obtain(&source, &second, NULL), ERR_OK);
	assert_string_not_equal(first.address, second.address);
	source.name = "...";
	assert_int_equal(identity_obtain(&source, &first, NULL), ERR_SYNTAX);
}

static void test_a_relay_needs_a_name(void **state)
{
	struct identity_source source = { .kind = IDENTITY_RELAY };
	struct identity id;

	(void)state;
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_USAGE);
	source.name = "Portal.example.com";
	assert_int_equal(identity_obtain(&source, &id, NULL), ERR_OK);
	assert_string_equal(id.name, "portal.example.com");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_identity_is_made_once, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_whole_file_is_left_alone, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_file_is_closed_to_others, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_new_name_is_saved, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_missing_token_secret_is_made_and_saved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_given_text_goes_before_the_file,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_broken_file_is_left_alone, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_huge_file_is_refused, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_name_that_is_tried_is_kept_when_it_was_of_use, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_name_is_kept_for_its_own_key_only,
			setup, teardown),
		cmocka_unit_test(test_a_folder_must_be_there),
		cmocka_unit_test(test_without_a_path_nothing_is_kept),
		cmocka_unit_test(test_a_relay_needs_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
