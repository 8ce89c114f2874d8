/* Behaviour of --keygen. */
#include <setjmp.h>
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

static const char seeded[] =
	"ck-MHcCAQEEIAY8EM+MQ00AcnYULvfhNQYGwdpnEpuyF/IxZH1lut9roAoGCCqGSM49"
	"AwEHoUQDQgAEUm5BIAX/iTzdk+vltA0s3oVFbrOE+r+iOwzL/2iWFfFdVwAKPonzqfT2"
	"kV6LuM3+qTwjlG7YbAMnLfbC5e9GsQ";

static void test_a_seed_gives_its_key_on_standard_output(void **state)
{
	char *text;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_int_equal(keygen_write("-", "test123", out, NULL), ERR_OK);
	fclose(out);
	assert_string_equal(text, seeded);
	free(text);
}

static void test_a_key_file_is_for_its_owner_only(void **state)
{
	char path[] = "/tmp/keygen-test-XXXXXX";
	char text[256];
	struct stat st;
	ssize_t n;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(keygen_write(path, NULL, NULL, NULL), ERR_OK);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	n = read(fd, text, sizeof(text));
	assert_int_equal(n, strlen(seeded));
	assert_memory_equal(text, "ck-", 3);
	assert_memory_not_equal(text, seeded, (size_t)n);
	close(fd);
	unlink(path);
}

static void test_a_file_that_cannot_be_written_is_named(void **state)
{
	struct why why = { "" };

	(void)state;
	assert_int_equal(keygen_write("/nonexistent/key", NULL, NULL, &why), ERR_SYS);
	assert_string_equal(why.text,
		"--keygen: cannot open /nonexistent/key: No such file or directory");
}

/* As on a full disk: there is room for a part of it. */
static void test_half_a_key_is_told(void **state)
{
	struct rlimit was, small = { .rlim_cur = 10 };
	char path[] = "/tmp/keygen-test-XXXXXX";
	struct why why = { "" };
	int fd = mkstemp(path);
	enum err rc;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = keygen_write(path, NULL, NULL, &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	unlink(path);
	assert_int_equal(rc, ERR_SYS);
	assert_non_null(strstr(why.text, "No space left on device"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_seed_gives_its_key_on_standard_output),
		cmocka_unit_test(test_a_key_file_is_for_its_owner_only),
		cmocka_unit_test(test_a_file_that_cannot_be_written_is_named),
		cmocka_unit_test(test_half_a_key_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
