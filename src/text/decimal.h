/* decimal.h — JSON numbers with bounds and divisors as automata over their digits.

   A bound is met digit by digit from the left, a divisor by the remainder so far. Both need the
   value in plain digits: where one is set, a number with an exponent is not in the language,
   although it may have the right value. */
#ifndef TEXT_DECIMAL_H
#define TEXT_DECIMAL_H

#include "text/dfa.h"
#include "yyjson.h"

enum { DECIMAL_DIGITS = 800, DECIMAL_DIVISOR = 10000 };

/* -(whole).(fraction); whole has no leading zeros but its only digit, fraction no trailing ones. */
typedef struct decimal {
    bool negative;
    uint32_t whole_size, fraction_size;
    char whole[DECIMAL_DIGITS], fraction[DECIMAL_DIGITS];
} decimal;

void decimal_read(yyjson_val *number, decimal *out);

typedef enum number_rule_kind {
    NUMBER_ANY,
    NUMBER_INTEGER, /* also 1.0 */
    NUMBER_DIGITS,  /* an integer without a fraction */
    NUMBER_AT_LEAST,
    NUMBER_ABOVE,
    NUMBER_AT_MOST,
    NUMBER_BELOW,
    NUMBER_MULTIPLE
} number_rule_kind;

brink_status number_compile(dfa_work *work, number_rule_kind kind, const decimal *value,
                            arena *memory, dfa **out);

#endif
