#include "json.h"
#include <stdlib.h>
#include <string.h>

/* Deeper than any call needs; stops a hostile line from using up the stack. */
#define MAX_DEPTH 64

static json *read_value(const char **at, int depth);

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t' || **at == '\r' || **at == '\n') (*at)++;
}

static json *new_value(json_kind kind)
{
    json *value = calloc(1, sizeof(json));
    value->kind = kind;
    return value;
}

static int hex_digits(const char *at)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        code = 16 * code + digit;
    }
    return code;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) *to++ = (char)code;
    else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* The text between quotes; *at stands on the first quote and is left after the last. */
static char *read_text(const char **at)
{
    const char *from = *at + 1;
    char *text = malloc(strlen(from) + 1), *to = text;
    while (*from != '"') {
        if ((unsigned char)*from < 0x20) goto broken;
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from++;
        switch (*from++) {
            case 'n': *to++ = '\n'; break;
            case 't': *to++ = '\t'; break;
            case 'r': *to++ = '\r'; break;
            case 'b': *to++ = '\b'; break;
            case 'f': *to++ = '\f'; break;
            case '"': *to++ = '"'; break;
            case '\\': *to++ = '\\'; break;
            case '/': *to++ = '/'; break;
            case 'u': {
                int code = hex_digits(from);
                if (code < 0) goto broken;
                from += 4;
                if (code >= 0xd800 && code < 0xdc00 && from[0] == '\\' && from[1] == 'u') {
                    int low = hex_digits(from + 2);
                    if (low >= 0xdc00 && low < 0xe000) {
                        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                        from += 6;
                    }
                }
                to = put_utf8(to, (unsigned)code);
                break;
            }
            default: goto broken;
        }
    }
    *to = 0;
    *at = from + 1;
    return text;
broken:
    free(text);
    return NULL;
}

/* Members of a list or object; *at stands after the opening bracket. */
static int read_members(const char **at, json *parent, char closing, int depth)
{
    json **end = &parent->first;
    skip_blanks(at);
    if (**at == closing) {
        (*at)++;
        return 1;
    }
    for (;;) {
        char *key = NULL;
        skip_blanks(at);
        if (parent->kind == JSON_OBJECT) {
            if (**at != '"' || !(key = read_text(at))) return 0;
            skip_blanks(at);
            if (*(*at)++ != ':') {
                free(key);
                return 0;
            }
        }
        json *member = read_value(at, depth + 1);
        if (!member) {
            free(key);
            return 0;
        }
        member->key = key;
        *end = member;
        end = &member->next;
        skip_blanks(at);
        char c = *(*at)++;
        if (c == closing) return 1;
        if (c != ',') return 0;
    }
}

static json *read_word(const char **at, const char *word, json_kind kind)
{
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0) return NULL;
    *at += length;
    return new_value(kind);
}

static json *read_value(const char **at, int depth)
{
    skip_blanks(at);
    char c = **at;
    if (depth > MAX_DEPTH) return NULL;
    if (c == 'n') return read_word(at, "null", JSON_NULL);
    if (c == 't') return read_word(at, "true", JSON_TRUE);
    if (c == 'f') return read_word(at, "false", JSON_FALSE);
    if (c == '"') {
        char *text = read_text(at);
        if (!text) return NULL;
        json *value = new_value(JSON_STRING);
        value->text = text;
        return value;
    }
    if (c == '[' || c == '{') {
        json *value = new_value(c == '[' ? JSON_LIST : JSON_OBJECT);
        (*at)++;
        if (read_members(at, value, c == '[' ? ']' : '}', depth)) return value;
        json_free(value);
        return NULL;
    }
    if (c != '-' && (c < '0' || c > '9')) return NULL;
    char *end;
    json *value = new_value(JSON_NUMBER);
    value->number = strtod(*at, &end);
    *at = end;
    return value;
}

json *json_read(const char *text)
{
    json *value = read_value(&text, 0);
    skip_blanks(&text);
    if (value && *text == 0) return value;
    json_free(value);
    return NULL;
}

void json_free(json *value)
{
    while (value) {
        json *next = value->next;
        json_free(value->first);
        free(value->text);
        free(value->key);
        free(value);
        value = next;
    }
}

const json *json_get(const json *object, const char *key)
{
    if (!object || object->kind != JSON_OBJECT) return NULL;
    for (const json *member = object->first; member; member = member->next) {
        if (strcmp(member->key, key) == 0) return member;
    }
    return NULL;
}

const char *json_text(const json *object, const char *key, const char *fallback)
{
    const json *member = json_get(object, key);
    return member && member->kind == JSON_STRING ? member->text : fallback;
}

double json_number(const json *object, const char *key, double fallback)
{
    const json *member = json_get(object, key);
    return member && member->kind == JSON_NUMBER ? member->number : fallback;
}

int json_true(const json *object, const char *key)
{
    const json *member = json_get(object, key);
    return member && member->kind == JSON_TRUE;
}
