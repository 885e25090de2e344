/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets: each takes any bytes and ends the program if a promise is broken.
 * test_fuzz.c feeds them for a second or two in every run of the C tests, `./dev fuzz` for as
 * long as wanted. Under libFuzzer, one by one:
 *
 *   clang -g -O1 -D_GNU_SOURCE= -DRN_LIBFUZZER -fsanitize=fuzzer,address,undefined \
 *     -Inative/include -Inative -Inative/tests -pthread native/tests/fuzz_event.c \
 *     $(find native -name '?*.c' ! -path '?*tests?*' ! -path '?*build?*') -o fuzz_event
 */
#ifndef RENACER_TESTS_FUZZ_H
#define RENACER_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int fuzz_event(const uint8_t *data, size_t size);
int fuzz_ring(const uint8_t *data, size_t size);
int fuzz_writer(const uint8_t *data, size_t size);
int fuzz_spans(const uint8_t *data, size_t size);
int fuzz_shape(const uint8_t *data, size_t size);
int fuzz_decode(const uint8_t *data, size_t size);
int fuzz_elf_tls(const uint8_t *data, size_t size);
int fuzz_source(const uint8_t *data, size_t size);

#ifdef RN_LIBFUZZER
#define FUZZ_TARGET(name)                                                                          \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                              \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                               \
	{                                                                                          \
		return name(data, size);                                                           \
	}                                                                                          \
	_Static_assert(sizeof(int) == 4, "")
#else
#define FUZZ_TARGET(name) _Static_assert(sizeof(int) == 4, "")
#endif

#endif
