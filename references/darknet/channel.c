#include "channel.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE (16 << 20)

static FILE *out;

void channel_open(void)
{
    int keep = dup(STDOUT_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    out = fdopen(keep, "wb");
    setvbuf(out, NULL, _IOFBF, 1 << 20);
}

static void broken(const char *what)
{
    fprintf(stderr, "difftest runner: %s\n", what);
    exit(1);
}

static char *read_line(void)
{
    size_t room = 4096, length = 0;
    char *line = malloc(room);
    for (int c; (c = getc(stdin)) != '\n'; line[length++] = (char)c) {
        if (c == EOF) {
            if (length > 0) broken("the input ended within a line");
            free(line);
            return NULL;
        }
        if (length + 2 > room) {
            if (room > MAX_LINE) broken("a line of more than 16 MiB");
            line = realloc(line, room *= 2);
        }
    }
    line[length] = 0;
    return line;
}

static void read_exactly(void *to, size_t bytes)
{
    if (fread(to, 1, bytes, stdin) != bytes) broken("the input ended within a message");
}

static void read_tensor(tensor *t, const json *entry)
{
    const json *shape = json_get(entry, "shape");
    const char *dtype = json_text(entry, "dtype", "");
    snprintf(t->name, MAX_NAME, "%s", json_text(entry, "name", ""));
    if (strcmp(dtype, "float32") != 0) broken("a tensor that is not float32");
    double size = 1;
    for (const json *one = shape ? shape->first : NULL; one; one = one->next) {
        if (t->dims == MAX_DIMS || one->number < 0 || one->number > 1 << 30) broken("a shape that cannot be");
        t->shape[t->dims++] = (int)one->number;
        size *= one->number;
    }
    if (size > 1 << 30) broken("a tensor of more than 4 GiB");
    float *data = malloc((size_t)size * sizeof(float) + 1);
    read_exactly(data, (size_t)size * sizeof(float));
    t->data = data;
}

int channel_next(call *into)
{
    memset(into, 0, sizeof(*into));
    char *line = read_line();
    if (!line) return 0;
    into->fields = json_read(line);
    free(line);
    if (json_number(into->fields, "difftest", 0) != 1) broken("a line that is no call of protocol version 1");
    into->id = (long)json_number(into->fields, "id", 0);
    into->name = json_text(into->fields, "call", "");
    const json *list = json_get(into->fields, "tensors");
    for (const json *entry = list ? list->first : NULL; entry; entry = entry->next) into->count++;
    into->tensors = calloc((size_t)into->count + 1, sizeof(tensor));
    int at = 0;
    for (const json *entry = list ? list->first : NULL; entry; entry = entry->next) read_tensor(&into->tensors[at++], entry);
    char trailer[4];
    read_exactly(trailer, 4);
    if (memcmp(trailer, "end\n", 4) != 0) broken("\"end\" is missing after the tensors");
    return 1;
}

void call_free(call *c)
{
    for (int i = 0; i < c->count; i++) free((void *)c->tensors[i].data);
    free(c->tensors);
    json_free(c->fields);
}

const tensor *call_tensor(const call *c, const char *name)
{
    for (int i = 0; i < c->count; i++) {
        if (strcmp(c->tensors[i].name, name) == 0) return &c->tensors[i];
    }
    return NULL;
}

size_t tensor_size(const tensor *t)
{
    size_t size = 1;
    for (int i = 0; i < t->dims; i++) size *= (size_t)t->shape[i];
    return size;
}

/* The answer being made. */
static tensor **tensors;
static int count, room;
static char *fields;
static size_t fields_length, fields_room;

void answer_reset(void)
{
    for (int i = 0; i < count; i++) free(tensors[i]);
    count = 0;
    fields_length = 0;
}

tensor *answer_tensor(const char *name, const float *data, int dims, const int *shape)
{
    if (count == room) tensors = realloc(tensors, (size_t)(room = 2 * room + 16) * sizeof(*tensors));
    tensor *t = calloc(1, sizeof(tensor));
    snprintf(t->name, MAX_NAME, "%s", name);
    t->dims = dims;
    memcpy(t->shape, shape, (size_t)dims * sizeof(int));
    t->data = data;
    return tensors[count++] = t;
}

void answer_field(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t needed = (size_t)vsnprintf(NULL, 0, format, args) + 1;
    if (fields_length + needed > fields_room) fields = realloc(fields, fields_room = 2 * (fields_length + needed));
    vsnprintf(fields + fields_length, needed, format, again);
    fields_length += needed - 1;
    va_end(args);
    va_end(again);
}

const char *quoted(const char *text)
{
    static char *buffer;
    free(buffer);
    char *to = buffer = malloc(6 * strlen(text) + 3);
    *to++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') *to++ = '\\';
        if (c < 0x20) to += sprintf(to, "\\u%04x", c);
        else *to++ = (char)c;
    }
    *to++ = '"';
    *to = 0;
    return buffer;
}

const char *number(double value)
{
    static char buffers[4][32];
    static int next;
    char *buffer = buffers[next++ % 4];
    if (isnan(value)) return "\"NaN\"";
    if (isinf(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    snprintf(buffer, sizeof(buffers[0]), "%.17g", value);
    return buffer;
}

static void write_values(const tensor *t)
{
    size_t size = tensor_size(t);
    if (!t->negate) {
        fwrite(t->data, sizeof(float), size, out);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        float value = -t->data[i];
        fwrite(&value, sizeof(float), 1, out);
    }
}

void answer_send(long id)
{
    fprintf(out, "{\"difftest\":1,\"id\":%ld,\"ok\":true%.*s", id, (int)fields_length, fields ? fields : "");
    if (count > 0) fprintf(out, ",\"tensors\":[");
    for (int i = 0; i < count; i++) {
        fprintf(out, "%s{\"name\":%s,\"dtype\":\"float32\",\"shape\":[", i ? "," : "", quoted(tensors[i]->name));
        for (int d = 0; d < tensors[i]->dims; d++) fprintf(out, "%s%d", d ? "," : "", tensors[i]->shape[d]);
        fprintf(out, "]}");
    }
    fprintf(out, count > 0 ? "]}\n" : "}\n");
    for (int i = 0; i < count; i++) write_values(tensors[i]);
    fprintf(out, "end\n");
    fflush(out);
    answer_reset();
}

void answer_error(long id, const char *code, const char *format, ...)
{
    char message[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    answer_reset();
    fprintf(out, "{\"difftest\":1,\"id\":%ld,\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":%s}}\nend\n", id, code, quoted(message));
    fflush(out);
}
