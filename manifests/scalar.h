/* scalar: the texts of numbers and data in XML property lists, read to the last character or not at all. */
#ifndef MANIFESTS_SCALAR_H
#define MANIFESTS_SCALAR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t scalar_digit(char c); /* 0 to 15, or 16 for what is no hexadecimal digit */

/* Decimal, leading zeros or not, or 0x…; a sign. Above INT64_MAX clamped to it, above UINT64_MAX false. */
bool scalar_integer(const char *text, int64_t *out);
/* Decimal, finite. */
bool scalar_real(const char *text, double *out);
/* The size of what base64 from p to end stands for; white space is left out, padding must be whole. */
bool scalar_data_size(const char *p, const char *end, size_t *size);
#endif
