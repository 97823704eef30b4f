#include "proto/timestamp.h"

#include <stdio.h>

/* The year is taken to begin in March, so that the leap day comes last; 400 years are 146,097
 * days. */
int64_t timestamp_days(int64_t year, int month, int day)
{
    int64_t era, of_era;
    int of_year;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    of_era = year - era * 400;
    of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void timestamp_date(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t era, of_era, year_of_era;
    int of_year, shifted;

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    of_era = days - era * 146097;
    year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = (int)(of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

int timestamp_month_days(int64_t year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

size_t timestamp_print(char to[TIMESTAMP_TEXT_MAX], int64_t seconds, uint32_t nanoseconds)
{
    int64_t days = seconds / 86400, year;
    int of_day = (int)(seconds % 86400), month, day, size;

    if (of_day < 0) {
        of_day += 86400;
        days--;
    }
    timestamp_date(days, &year, &month, &day);
    size = snprintf(to, TIMESTAMP_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month,
                    day, of_day / 3600, of_day / 60 % 60, of_day % 60);
    if (nanoseconds)
        size += snprintf(to + size, (size_t)(TIMESTAMP_TEXT_MAX - size), ".%09u", nanoseconds);
    size += snprintf(to + size, (size_t)(TIMESTAMP_TEXT_MAX - size), "Z");
    return (size_t)size;
}

/* Take count digits and, behind them, one of the characters in behind (if not NULL). */
static bool take_digits(struct slice *text, int count, const char *behind, int *number)
{
    *number = 0;
    if (text->size < (size_t)count)
        return false;
    for (int i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        *number = *number * 10 + (text->data[i] - '0');
    }
    *text = slice_make(text->data + count, text->size - (size_t)count);
    if (!behind)
        return true;
    if (text->size == 0 || !text->data[0] || !strchr(behind, text->data[0]))
        return false;
    *text = slice_make(text->data + 1, text->size - 1);
    return true;
}

static bool take_fraction(struct slice *text, uint32_t *nanoseconds)
{
    uint32_t scale = 100000000;

    *nanoseconds = 0;
    if (text->size == 0 || text->data[0] != '.')
        return true;
    *text = slice_make(text->data + 1, text->size - 1);
    if (text->size == 0 || text->data[0] < '0' || text->data[0] > '9')
        return false;
    for (; text->size > 0 && text->data[0] >= '0' && text->data[0] <= '9'; scale /= 10) {
        if (scale == 0)
            return false;
        *nanoseconds += (uint32_t)(text->data[0] - '0') * scale;
        *text = slice_make(text->data + 1, text->size - 1);
    }
    return true;
}

/* Z, or how far the clock shown is ahead. */
static bool take_offset(struct slice *text, int *offset_seconds)
{
    int hours, minutes, sign;

    *offset_seconds = 0;
    if (text->size == 1 && (text->data[0] == 'Z' || text->data[0] == 'z'))
        return true;
    if (text->size != 6 || (text->data[0] != '+' && text->data[0] != '-'))
        return false;
    sign = text->data[0] == '-' ? -1 : 1;
    *text = slice_make(text->data + 1, text->size - 1);
    if (!take_digits(text, 2, ":", &hours) || !take_digits(text, 2, NULL, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *offset_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool timestamp_parse(struct slice text, int64_t *seconds, uint32_t *nanoseconds)
{
    int year, month, day, hour, minute, second, offset;

    if (!take_digits(&text, 4, "-", &year) || !take_digits(&text, 2, "-", &month) ||
        !take_digits(&text, 2, "Tt ", &day) || !take_digits(&text, 2, ":", &hour) ||
        !take_digits(&text, 2, ":", &minute) || !take_digits(&text, 2, NULL, &second) ||
        !take_fraction(&text, nanoseconds) || !take_offset(&text, &offset))
        return false;
    if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
        return false;
    if (day < 1 || day > timestamp_month_days(year, month))
        return false;
    *seconds =
        timestamp_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    return true;
}
