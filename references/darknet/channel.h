/* The runner's side of the protocol's stream: reads calls, writes answers (references/PROTOCOL.md). */
#ifndef DIFFTEST_CHANNEL_H
#define DIFFTEST_CHANNEL_H
#include "json.h"
#include <stddef.h>

#define MAX_DIMS 5
#define MAX_NAME 160

/* A float32 tensor with a name; its values belong to somebody else. */
typedef struct {
    char name[MAX_NAME];
    int dims;
    int shape[MAX_DIMS];
    const float *data;
    int negate;            /* write the values with the opposite sign */
} tensor;

typedef struct {
    long id;
    const char *name;      /* of the call */
    json *fields;
    tensor *tensors;
    int count;
} call;

/* Keeps standard output for the protocol: whatever a library prints goes to standard error from now on. */
void channel_open(void);
/* The next call; 0 at the end of the input. Broken input ends the program: nobody is left to tell. */
int channel_next(call *into);
void call_free(call *c);
/* An input tensor by name, or NULL. */
const tensor *call_tensor(const call *c, const char *name);

/* Tensors of the answer being made; answer_reset forgets them. */
void answer_reset(void);
tensor *answer_tensor(const char *name, const float *data, int dims, const int *shape);
/* JSON members after "ok":true, printf style, each with its leading comma. */
void answer_field(const char *format, ...);
/* A text as a JSON string, quotes included, into a buffer that lives until the next call of it. */
const char *quoted(const char *text);
/* A number as JSON: NaN and infinities as words. Four buffers in turn. */
const char *number(double value);
void answer_send(long id);
void answer_error(long id, const char *code, const char *format, ...);
size_t tensor_size(const tensor *t);
#endif
