/* Behaviour of --keygen. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/keygen.h"

static enum err write_key(const char *path, bool replaces, struct why *why)
{
	FILE *err = fopen("/dev/null", "w");
	enum err rc = keygen_write(&(struct keygen_options){ .path = path,
					   .replaces = replaces,
					   .err = err },
		why);

	fclose(err);
	return rc;
}

static void read_file(const char *path, char text[256])
{
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, 255, file);
	text[n] = '\0';
	fclose(file);
}

static const char seeded[] =
	"ck-MHcCAQEEIAY8EM+MQ00AcnYULvfhNQYGwdpnEpuyF/IxZH1lut9roAoGCCqGSM49"
	"AwEHoUQDQgAEUm5BIAX/iTzdk+vltA0s3oVFbrOE+r+iOwzL/2iWFfFdVwAKPonzqfT2"
	"kV6LuM3+qTwjlG7YbAMnLfbC5e9GsQ";

static void test_a_seed_gives_its_key_on_standard_output(void **state)
{
	char *text, *told;
	size_t n, m;
	FILE *out = open_memstream(&text, &n), *err = open_memstream(&told, &m);

	(void)state;
	assert_int_equal(keygen_write(&(struct keygen_options){ .path = "-",
					      .seed = "test123",
					      .out = out,
					      .err = err },
				 NULL),
		ERR_OK);
	fclose(out);
	fclose(err);
	assert_string_equal(text, seeded);
	assert_string_equal(told,
		"Fingerprint qmrRoo8MIqePv3jC8+wv49gU6uaFgD3FASQx9V8KdmY=\n");
	free(text);
	free(told);
}

static void test_a_key_file_is_for_its_owner_only(void **state)
{
	char path[] = "/tmp/keygen-test-XXXXXX", text[256];
	struct stat st;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	assert_int_equal(write_key(path, true, NULL), ERR_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	read_file(path, text);
	assert_int_equal(strlen(text), strlen(seeded));
	assert_memory_equal(text, "ck-", 3);
	assert_string_not_equal(text, seeded);
	unlink(path);
}

static void test_an_existing_key_is_replaced_only_with_force(void **state)
{
	char path[] = "/tmp/keygen-test-XXXXXX", first[256], second[256];
	struct why why = { "" };

	(void)state;
	close(mkstemp(path));
	unlink(path);
	assert_int_equal(write_key(path, false, NULL), ERR_OK);
	read_file(path, first);
	assert_int_equal(write_key(path, false, &why), ERR_EXISTS);
	assert_non_null(strstr(why.text, "--force"));
	read_file(path, second);
	assert_string_equal(first, second);
	assert_int_equal(write_key(path, true, NULL), ERR_OK);
	read_file(path, second);
	assert_string_not_equal(first, second);
	unlink(path);
}

static void test_a_link_stays_one(void **state)
{
	char path[] = "/tmp/keygen-test-XXXXXX", link[64];
	struct stat st;

	(void)state;
	close(mkstemp(path));
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(write_key(link, true, NULL), ERR_OK);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, strlen(seeded));
	unlink(link);
	unlink(path);
}

static void test_a_device_is_written_to(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(write_key("/dev/null", false, NULL), ERR_OK);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

static void test_a_file_that_cannot_be_written_is_named(void **state)
{
	struct why why = { "" };

	(void)state;
	assert_int_equal(write_key("/nonexistent/key", false, &why), ERR_SYS);
	assert_string_equal(why.text,
		"--keygen: /nonexistent/key cannot be written: No such file or directory");
}

/* There is room for a part of it: the key that was there stays. */
static void test_a_full_disk_costs_no_key(void **state)
{
	struct rlimit was, small = { .rlim_cur = 10 };
	char path[] = "/tmp/keygen-test-XXXXXX", first[256], second[256];
	struct why why = { "" };
	enum err rc;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(write_key(path, true, NULL), ERR_OK);
	read_file(path, first);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = write_key(path, true, &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(rc, ERR_SYS);
	assert_non_null(strstr(why.text, path));
	read_file(path, second);
	assert_string_equal(first, second);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_seed_gives_its_key_on_standard_output),
		cmocka_unit_test(test_a_key_file_is_for_its_owner_only),
		cmocka_unit_test(test_a_file_that_cannot_be_written_is_named),
		cmocka_unit_test(test_an_existing_key_is_replaced_only_with_force),
		cmocka_unit_test(test_a_link_stays_one),
		cmocka_unit_test(test_a_device_is_written_to),
		cmocka_unit_test(test_a_full_disk_costs_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
