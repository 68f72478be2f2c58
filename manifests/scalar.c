/* strtoll and strtod alone take white space, octal, "nan", and stop at what they do not know. */
#include "manifests/scalar.h"

uint32_t scalar_digit(char c)
{
    return c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
           : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
           : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                  : 16;
}

bool scalar_integer(const char *p, int64_t *out)
{
    bool negative = *p == '-';
    p += *p == '-' || *p == '+';
    uint64_t base = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') ? 16 : 10, n = 0;
    p += base == 16 ? 2 : 0;
    if (!*p)
        return false;
    for (; *p; p++) {
        uint64_t digit = scalar_digit(*p);
        if (digit >= base || n > (UINT64_MAX - digit) / base)
            return false;
        n = n * base + digit;
    }
    if (negative) {
        if (n > (uint64_t)INT64_MAX + 1)
            return false;
        *out = n == (uint64_t)INT64_MAX + 1 ? INT64_MIN : -(int64_t)n;
    } else {
        *out = n > INT64_MAX ? INT64_MAX : (int64_t)n;
    }
    return true;
}

/* Decimal only: strtod alone would take hexadecimal, "nan" and "infinity". The program stays in the C locale.
 */
bool scalar_real(const char *text, double *out)
{
    const char *p = text;
    size_t digits = 0;
    p += *p == '-' || *p == '+';
    for (; (*p >= '0' && *p <= '9') || *p == '.'; p++)
        digits += *p != '.';
    if (!digits || (*p && *p != 'e' && *p != 'E'))
        return false;
    char *tail;
    *out = strtod(text, &tail);
    return !*tail && *out >= -0x1.fffffffffffffp1023 && *out <= 0x1.fffffffffffffp1023;
}

bool scalar_data_size(const char *p, const char *end, size_t *size)
{
    size_t digits = 0, padding = 0;
    for (; p < end; p++) {
        if ((*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
            continue;
        bool digit = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ||
                     *p == '+' || *p == '/';
        if (*p == '=')
            padding++;
        else if (!digit || padding)
            return false;
        else
            digits++;
    }
    *size = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
    return padding <= 2 && (digits + padding) % 4 == 0;
}
