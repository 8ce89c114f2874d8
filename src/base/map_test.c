/* Behaviour of maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"

#define COUNT 5000

struct object {
	struct map_node in_map;
	char key[16];
	unsigned seen;
};

static struct object *object_new(const char *key)
{
	struct object *o = mem_new(o);

	assert_non_null(o);
	snprintf(o->key, sizeof(o->key), "%s", key);
	return o;
}

static struct object *object_of(struct map_node *node)
{
	return node != NULL ? map_object(node, struct object, in_map) : NULL;
}

static struct object *find(struct map *m, const char *key)
{
	return object_of(map_find(m, span_str(key)));
}

static void free_all(struct map *m)
{
	struct map_node *it, *tmp;

	map_each(it, tmp, m)
	{
		struct object *o = object_of(it);

		assert_true(map_remove(m, it));
		free(o);
	}
	assert_int_equal(m->count, 0);
	map_fini(m);
}

static void test_what_is_added_is_found_until_it_is_removed(void **state)
{
	struct object *objects[COUNT];
	struct map_node *it, *tmp;
	struct map m;
	char key[16];

	(void)state;
	map_init(&m);
	assert_null(find(&m, ""));
	for (int i = 0; i < COUNT; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		objects[i] = object_new(key);
		map_add(&m, &objects[i]->in_map, span_str(objects[i]->key));
	}
	assert_int_equal(m.count, COUNT);
	map_each(it, tmp, &m) object_of(it)->seen++;
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(objects[i]->seen, 1);
		assert_ptr_equal(find(&m, objects[i]->key), objects[i]);
	}
	for (int i = 0; i < COUNT; i += 2) {
		assert_true(map_remove(&m, &objects[i]->in_map));
		assert_false(map_remove(&m, &objects[i]->in_map));
		assert_null(find(&m, objects[i]->key));
		free(objects[i]);
	}
	for (int i = 1; i < COUNT; i += 2)
		assert_ptr_equal(find(&m, objects[i]->key), objects[i]);
	free_all(&m);
}

/* Also when the table has grown since. */
static void test_the_newest_of_a_key_comes_first(void **state)
{
	struct map m;
	struct object *o;
	char key[16];

	(void)state;
	map_init(&m);
	for (unsigned i = 0; i < 1000; i++) {
		o = object_new("same");
		o->seen = i;
		if (i < 5)
			map_add(&m, &o->in_map, span_str(o->key));
		else
			free(o);
		snprintf(key, sizeof(key), "%u", i);
		o = object_new(key);
		map_add(&m, &o->in_map, span_str(o->key));
	}
	o = find(&m, "same");
	for (unsigned i = 5; i-- > 0; o = object_of(map_find_next(&o->in_map)))
		assert_int_equal(o->seen, i);
	assert_null(o);
	free_all(&m);
}

static void test_keys_are_bytes_not_text(void **state)
{
	struct map m;
	struct object a = { .seen = 0 }, b = { .seen = 0 };

	(void)state;
	map_init(&m);
	map_add(&m, &a.in_map, span_of("a\0b", 3));
	map_add(&m, &b.in_map, span_of("a\0c", 3));
	assert_ptr_equal(map_find(&m, span_of("a\0b", 3)), &a.in_map);
	assert_ptr_equal(map_find(&m, span_of("a\0c", 3)), &b.in_map);
	assert_null(map_find(&m, span_of("a", 1)));
	map_fini(&m);
}

static void test_an_empty_map_has_nothing(void **state)
{
	struct map m = { .count = 0 };
	struct map_node none = { .next = NULL };

	(void)state;
	map_fini(&m);
	map_init(&m);
	assert_null(map_first(&m));
	assert_false(map_remove(&m, &none));
	map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_added_is_found_until_it_is_removed),
		cmocka_unit_test(test_the_newest_of_a_key_comes_first),
		cmocka_unit_test(test_keys_are_bytes_not_text),
		cmocka_unit_test(test_an_empty_map_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
