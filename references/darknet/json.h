/* A small reader of JSON, for the calls of the runner protocol. */
#ifndef DIFFTEST_JSON_H
#define DIFFTEST_JSON_H
#include <stddef.h>

typedef enum { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_OBJECT } json_kind;

typedef struct json {
    json_kind kind;
    double number;
    char *text;           /* JSON_STRING: UTF-8, ended by 0 */
    char *key;            /* name within its object, or NULL */
    struct json *first;   /* first member of a list or object */
    struct json *next;    /* next member of the same list or object */
} json;

/* Reads a whole text; NULL when it is not JSON. Freed by json_free. */
json *json_read(const char *text);
void json_free(json *value);

/* Member of an object, or NULL (also for a value that is none). */
const json *json_get(const json *object, const char *key);
/* Member as text or number; the fallback when it is absent or of another kind. */
const char *json_text(const json *object, const char *key, const char *fallback);
double json_number(const json *object, const char *key, double fallback);
int json_true(const json *object, const char *key);
#endif
