/*
 * A reference for difftest: answers the calls of references/PROTOCOL.md with what an installed Darknet library computes.
 * Built by build.sh. One network is open at a time.
 */
#include "channel.h"
#include "library.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BUILD
#define BUILD "unknown"
#endif

/* The network that is open, and what it takes to open it again. */
static network *net;
static char *cfg_path, *weights_path;
static int cfg_is_temporary;
/* Whether a call has left something behind (states, statistics, updates) that the next must not see. */
static int used, spoilt;
static float *input_values, *input_delta;

/* Why the call under way cannot be answered; set by the function that found out. */
static const char *fault_code;
static char fault_text[600];

/* Notes the fault; always 0, so that the finder can return it. */
static int fault(const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault_text, sizeof(fault_text), format, args);
    va_end(args);
    fault_code = code;
    return 0;
}

/* ---- opening ---- */

static void close_network(void)
{
    if (!net) return;
    free_network_ptr(net);
    net = NULL;
    used = spoilt = 0;
}

static char *copy_text(const char *text)
{
    return text ? strcpy(malloc(strlen(text) + 1), text) : NULL;
}

/* Sections the library does not know end its process; they are found before. */
static int check_sections(FILE *cfg)
{
    char line[512];
    while (fgets(line, sizeof(line), cfg)) {
        char name[512], *to = name, *from = line;
        for (; *from && *from != '\n' && *from != '\r'; from++) {
            if (*from != ' ' && *from != '\t') *to++ = *from;
        }
        *to = 0;
        if (name[0] != '[' || to[-1] != ']') continue;
        to[-1] = 0;
        if (!lib_knows_section(name + 1)) return fault("unsupported", "[%s] is not known to %s's library", name + 1, lib_name);
        const char *reason = lib_refuses_section(name + 1);
        if (reason) return fault("unsupported", "%s", reason);
    }
    return 1;
}

/* Keys that replace those of the [net] section: of two equal keys the library takes the first. */
static int net_keys(const call *c, char *keys, size_t room)
{
    static const char *const NAMES[] = { "batch", "width", "height" };
    size_t length = 0;
    keys[0] = 0;
    for (int i = 0; i < 3; i++) {
        double value = json_number(c->fields, NAMES[i], 0);
        if (value <= 0) continue;
        length += (size_t)snprintf(keys + length, room - length, "%s=%d\n", NAMES[i], (int)value);
        if (i == 0) length += (size_t)snprintf(keys + length, room - length, "subdivisions=1\n");
    }
    return length > 0;
}

/* A copy of the cfg with other keys in [net]; its path. */
static char *changed_cfg(FILE *cfg, const char *keys)
{
    char *path = copy_text("/tmp/difftest-cfg-XXXXXX");
    int descriptor = mkstemp(path);
    FILE *to = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (!to) {
        free(path);
        return NULL;
    }
    int c, written = 0;
    while ((c = getc(cfg)) != EOF) {
        putc(c, to);
        if (c == '\n' && !written) {
            /* The first section is [net]; comments may stand before it. */
            long at = ftell(cfg);
            rewind(cfg);
            int in_section = 0, start = 1;
            for (long i = 0; i < at; i++) {
                int d = getc(cfg);
                if (start && d == '[') in_section = 1;
                start = d == '\n';
            }
            if (in_section) written = fputs(keys, to) >= 0;
        }
    }
    fclose(to);
    return path;
}

/*
 * Random numbers as in a new process: what a weights file leaves out keeps them. The library makes normal ones in pairs and
 * keeps the second for later; a kept one is used up first.
 */
static void same_random_numbers(void)
{
    srand(1);
    int first = rand();
    srand(1);
    rand_normal();
    if (rand() != first) rand_normal();
    srand(1);
}

static int parse_and_load(void)
{
    same_random_numbers();
    net = lib_parse(cfg_path);
    if (!net) return fault("unusable", "%s: cannot be parsed", cfg_path);
    if (weights_path) lib_load(net, weights_path);
    free(input_values);
    free(input_delta);
    size_t size = (size_t)net->inputs * (size_t)net->batch;
    input_values = calloc(size, sizeof(float));
    input_delta = calloc(size, sizeof(float));
    used = spoilt = 0;
    return 1;
}

static int open_network(const call *c)
{
    const char *cfg = json_text(c->fields, "original", NULL), *weights = json_text(c->fields, "weights", NULL);
    if (!cfg) return fault("unusable", "\"original\" is missing, expected the path of a cfg file");
    if (weights && access(weights, R_OK) != 0) return fault("unusable", "%s: there is no such file, or it cannot be read", weights);
    FILE *file = fopen(cfg, "r");
    if (!file) return fault("unusable", "%s: there is no such file, or it cannot be read", cfg);
    int usable = check_sections(file);
    rewind(file);
    close_network();
    if (cfg_is_temporary) unlink(cfg_path);
    free(cfg_path);
    free(weights_path);
    char keys[200];
    cfg_is_temporary = usable && net_keys(c, keys, sizeof(keys));
    cfg_path = cfg_is_temporary ? changed_cfg(file, keys) : copy_text(cfg);
    weights_path = copy_text(weights);
    fclose(file);
    if (!cfg_path) return fault("failed", "cannot write a temporary cfg file");
    return usable && parse_and_load();
}

/* The network as it was loaded, whatever earlier calls did to it. */
static int fresh_network(int keep_state)
{
    if (!net) return fault("unusable", "no network is open, \"describe\" comes first");
    int recurrent = 0;
    for (int i = 0; i < net->n; i++) recurrent |= lib_is_recurrent(&net->layers[i]);
    if (!spoilt && !(used && recurrent && !keep_state)) return 1;
    close_network();
    return parse_and_load();
}

/* ---- names and shapes ---- */

static void tap_name(char *to, int index)
{
    snprintf(to, MAX_NAME, "%s_%d", lib_prefix(&net->layers[index]), index);
}

static int tap_shape(int index, int *shape)
{
    const layer *l = &net->layers[index];
    shape[0] = net->batch;
    if (lib_is_flat(net->layers, index)) {
        shape[1] = l->outputs;
        return 2;
    }
    shape[1] = l->out_c;
    shape[2] = l->out_h;
    shape[3] = l->out_w;
    return 4;
}

/* A map, or the row of values that `inputs=` stands for. */
static int input_shape(int *shape)
{
    shape[0] = net->batch;
    if (!net->c || !net->h || !net->w) {
        shape[1] = net->inputs;
        return 2;
    }
    shape[1] = net->c;
    shape[2] = net->h;
    shape[3] = net->w;
    return 4;
}

/* Visits the weights of a layer and its sub-layers. */
typedef void (*weight_visitor)(const char *name, const float *value, const float *update, int dims, const int *shape);

static void visit_weights(const char *prefix, const layer *l, weight_visitor visit)
{
    char name[MAX_NAME];
    int outputs = l->type == CONNECTED ? l->outputs : l->type == LOCAL ? l->outputs : l->n;
#define WEIGHT(role, value, update, dims, ...) \
    if (value) { \
        snprintf(name, sizeof(name), "%s/" role, prefix); \
        visit(name, value, update, dims, (const int[]){ __VA_ARGS__ }); \
    }
    switch (l->type) {
        case CONVOLUTIONAL:
        case DECONVOLUTIONAL: {
            int groups = l->groups > 0 ? l->groups : 1;
            WEIGHT("bias", l->biases, l->bias_updates, 1, outputs)
            WEIGHT("kernel", l->weights, l->weight_updates, 4, outputs, l->c / groups, l->size, l->size)
            break;
        }
        case CONNECTED:
            WEIGHT("bias", l->biases, l->bias_updates, 1, outputs)
            WEIGHT("kernel", l->weights, l->weight_updates, 2, outputs, l->inputs)
            break;
        case LOCAL:
            WEIGHT("bias", l->biases, l->bias_updates, 1, outputs)
            WEIGHT("kernel", l->weights, l->weight_updates, 5, l->out_h * l->out_w, l->n, l->c, l->size, l->size)
            return;
        case BATCHNORM:
            outputs = l->c;
            break;
        case RNN:
        case CRNN:
        case GRU:
        case LSTM: {
#define PART(part) \
            if (l->part) { \
                char sub[MAX_NAME - 16]; \
                snprintf(sub, sizeof(sub), "%s/" #part, prefix); \
                visit_weights(sub, l->part, visit); \
            }
            PART(input_layer) PART(self_layer) PART(output_layer)
            PART(wz) PART(wr) PART(wh) PART(uz) PART(ur) PART(uh)
            PART(wf) PART(wi) PART(wg) PART(wo) PART(uf) PART(ui) PART(ug) PART(uo)
            return;
        }
        default:
            return;
    }
    if (l->batch_normalize || l->type == BATCHNORM) {
        WEIGHT("scale", l->scales, l->scale_updates, 1, outputs)
        WEIGHT("mean", l->rolling_mean, NULL, 1, outputs)
        WEIGHT("variance", l->rolling_variance, NULL, 1, outputs)
    }
}

/* ---- describe, version, parameters ---- */

static int weights_listed;

static void list_weight(const char *name, const float *value, const float *update, int dims, const int *shape)
{
    (void)value;
    (void)update;
    answer_field("%s{\"name\":%s,\"shape\":[", weights_listed++ ? "," : "", quoted(name));
    for (int d = 0; d < dims; d++) answer_field("%s%d", d ? "," : "", shape[d]);
    answer_field("]}");
}

static int describe(const call *c)
{
    if (!open_network(c)) return 0;
    int given[MAX_DIMS], axes = input_shape(given);
    answer_field(",\"inputs\":[{\"name\":\"input\",\"dtype\":\"float32\",\"shape\":[");
    for (int d = 0; d < axes; d++) answer_field("%s%d", d ? "," : "", given[d]);
    answer_field("]}],\"taps\":[");
    char name[MAX_NAME];
    for (int i = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        int shape[MAX_DIMS], dims = tap_shape(i, shape);
        tap_name(name, i);
        answer_field("%s{\"id\":\"%s\",\"layer\":%d,\"kind\":\"%s\",\"shape\":[", i ? "," : "", name, i, lib_kind(l));
        for (int d = 0; d < dims; d++) answer_field("%s%d", d ? "," : "", shape[d]);
        answer_field("]}");
    }
    answer_field("],\"weights\":[");
    weights_listed = 0;
    for (int i = 0; i < net->n; i++) {
        tap_name(name, i);
        visit_weights(name, &net->layers[i], list_weight);
    }
    answer_field("],\"outputs\":[");
    int outputs = 0;
    for (int i = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        if (i < net->n - 1 && l->type != YOLO && l->type != REGION && l->type != DETECTION) continue;
        tap_name(name, i);
        answer_field("%s\"%s\"", outputs++ ? "," : "", name);
    }
    answer_field("]");
    return 1;
}

static int version(void)
{
    answer_field(",\"name\":\"darknet\",\"role\":\"reference\",\"version\":%s", quoted(lib_version));
    answer_field(",\"build\":%s,\"dialect\":\"%s\"", quoted(BUILD), lib_name[0] == 'A' ? "alexeyab" : "pjreddie");
    answer_field(",\"files\":[%s]", quoted(LIBRARY));
    answer_field(",\"calls\":[\"version\",\"describe\",\"run\",\"gradient\",\"train\",\"parameters\",\"rates\",\"pipeline\",\"post\"]");
    return 1;
}

/* All parameters in the order of the weights file: as the library itself writes them. */
static float *all_parameters(int *count)
{
    char path[] = "/tmp/difftest-weights-XXXXXX";
    int descriptor = mkstemp(path), header[3] = { 0 };
    if (descriptor < 0) return NULL;
    close(descriptor);
    lib_save(net, path);
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    long bytes = ftell(file);
    rewind(file);
    size_t read = fread(header, sizeof(int), 3, file);
    /* seen has 8 bytes from version 0.2 on, and both libraries write that. */
    long start = read == 3 && header[0] * 10 + header[1] >= 2 ? 20 : 16;
    *count = bytes > start ? (int)((bytes - start) / 4) : 0;
    float *values = malloc((size_t)*count * sizeof(float) + 1);
    fseek(file, start, SEEK_SET);
    *count = (int)fread(values, sizeof(float), (size_t)*count, file);
    fclose(file);
    unlink(path);
    return values;
}

static float *parameters(void)
{
    int count;
    if (!fresh_network(0)) return NULL;
    float *values = all_parameters(&count);
    if (!values) {
        fault("failed", "cannot write a temporary weights file");
        return NULL;
    }
    answer_tensor("parameters", values, 1, &count);
    answer_field(",\"seen\":%llu", (unsigned long long)*net->seen);
    return values;
}

/* ---- run ---- */

static int take_input(const call *c)
{
    const tensor *input = call_tensor(c, "input");
    size_t size = (size_t)net->inputs * (size_t)net->batch;
    if (!input) return fault("unusable", "the tensor \"input\" is missing");
    if (tensor_size(input) != size) return fault("unusable", "input has %zu values, the network takes %zu", tensor_size(input), size);
    memcpy(input_values, input->data, size * sizeof(float));
    return 1;
}

static int is_wanted(const call *c, const char *name)
{
    const json *taps = json_get(c->fields, "taps");
    if (!taps || taps->kind != JSON_LIST) return 1;
    for (const json *one = taps->first; one; one = one->next) {
        if (one->kind == JSON_STRING && strcmp(one->text, name) == 0) return 1;
    }
    return 0;
}

static void answer_taps(const call *c)
{
    char name[MAX_NAME];
    for (int i = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        int shape[MAX_DIMS], dims = tap_shape(i, shape);
        tap_name(name, i);
        if (is_wanted(c, name)) answer_tensor(name, l->output, dims, shape);
    }
}

static int run(const call *c)
{
    int train = json_true(c->fields, "train"), keep = strcmp(json_text(c->fields, "state", "reset"), "keep") == 0;
    if (!fresh_network(keep) || !take_input(c)) return 0;
    lib_forward(net, input_values, NULL, NULL, train);
    used = 1;
    spoilt = train;
    answer_taps(c);
    return 1;
}

/* ---- gradient, train ---- */

static float *copies[4096];
static int copy_count;

/* Values that the backward pass will overwrite. */
static const float *copy_values(const float *values, size_t size)
{
    float *copy = malloc(size * sizeof(float));
    memcpy(copy, values, size * sizeof(float));
    if (copy_count < 4096) copies[copy_count++] = copy;
    return copy;
}

static int owns_loss(const layer *l)
{
    switch (l->type) {
        case COST: case SOFTMAX: case REGION: case YOLO: case DETECTION: case LOGXENT: case ISEG:
#ifdef ALEXEYAB
        case GAUSSIAN_YOLO: case CONTRASTIVE:
#endif
            return l->cost != NULL && l->delta != NULL;
        default:
            return 0;
    }
}

static void answer_update(const char *name, const float *value, const float *update, int dims, const int *shape)
{
    char own[MAX_NAME];
    (void)value;
    if (!update) return;
    snprintf(own, sizeof(own), "d:%.*s", MAX_NAME - 3, name);
    answer_tensor(own, update, dims, shape)->negate = 1;
}

static void answer_statistics(const char *name, const layer *l)
{
    char own[MAX_NAME];
    int size = l->type == CONNECTED ? l->outputs : l->type == BATCHNORM ? l->c : l->n;
    struct { const char *role; const float *values; } of[] = {
        { "mean", l->mean }, { "variance", l->variance }, { "rolling-mean", l->rolling_mean }, { "rolling-variance", l->rolling_variance },
    };
    if (!l->batch_normalize && l->type != BATCHNORM) return;
    for (int i = 0; i < 4; i++) {
        snprintf(own, sizeof(own), "s:%.*s/%s", MAX_NAME - 24, name, of[i].role);
        if (of[i].values) answer_tensor(own, of[i].values, 1, &size);
    }
}

/* Truth of the size that the network wants; some layers take none. */
static int take_truth(const call *c, float **truth)
{
    const tensor *given = call_tensor(c, "truth");
    *truth = given ? (float *)given->data : NULL;
    size_t wanted = (size_t)net->truths * (size_t)net->batch;
    if (given && net->truths > 0 && tensor_size(given) != wanted) {
        return fault("unusable", "truth has %zu values, the network takes %zu", tensor_size(given), wanted);
    }
    return 1;
}

static int gradient(const call *c)
{
    float *truth;
    char name[MAX_NAME], own[MAX_NAME];
    if (!fresh_network(0) || !take_input(c) || !take_truth(c, &truth)) return 0;
    spoilt = 1;
    *net->seen = (size_t)json_number(c->fields, "seen", 0);
    memset(input_delta, 0, (size_t)net->inputs * (size_t)net->batch * sizeof(float));
    lib_forward(net, input_values, truth, input_delta, 1);
    answer_field(",\"loss\":{\"total\":%s,\"parts\":{", number(lib_cost(net)));
    for (int i = 0, parts = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        int shape[MAX_DIMS], dims = tap_shape(i, shape);
        size_t size = (size_t)l->outputs * (size_t)net->batch;
        tap_name(name, i);
        answer_tensor(name, copy_values(l->output, size), dims, shape);
        if (!owns_loss(l)) continue;
        answer_field("%s\"%s\":%s", parts++ ? "," : "", name, number(*l->cost));
        snprintf(own, sizeof(own), "d:%.*s", MAX_NAME - 3, name);
        answer_tensor(own, copy_values(l->delta, size), dims, shape)->negate = 1;
    }
    answer_field("}}");
    lib_backward(net, input_values, truth, input_delta);
    for (int i = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        int shape[MAX_DIMS], dims = tap_shape(i, shape);
        tap_name(name, i);
        if (l->delta) {
            snprintf(own, sizeof(own), "b:%.*s", MAX_NAME - 3, name);
            answer_tensor(own, l->delta, dims, shape)->negate = 1;
        }
        visit_weights(name, l, answer_update);
        answer_statistics(name, l);
    }
    int given[MAX_DIMS], axes = input_shape(given);
    answer_tensor("d:input", input_delta, axes, given)->negate = 1;
    return 1;
}

static int train(const call *c)
{
    float *truth;
    char name[MAX_NAME];
    int steps = (int)json_number(c->fields, "steps", 1);
    if (!fresh_network(0) || !take_input(c) || !take_truth(c, &truth)) return 0;
    if (steps < 1 || steps > 4000) return fault("unusable", "steps is %d, expected 1 to 4000", steps);
    spoilt = 1;
    *net->seen = (size_t)json_number(c->fields, "seen", 0);
    char *costs = calloc((size_t)steps, 32), *rates = calloc((size_t)steps, 32);
    for (int step = 1; step <= steps; step++) {
        *net->seen += (size_t)net->batch;
        memset(input_delta, 0, (size_t)net->inputs * (size_t)net->batch * sizeof(float));
        lib_forward(net, input_values, truth, input_delta, 1);
        lib_backward(net, input_values, truth, input_delta);
        snprintf(costs + strlen(costs), 32, "%s%s", step > 1 ? "," : "", number(lib_cost(net)));
        snprintf(rates + strlen(rates), 32, "%s%s", step > 1 ? "," : "", number(lib_rate(net)));
        lib_update(net);
        int count;
        float *values = all_parameters(&count);
        if (!values) return fault("failed", "cannot write a temporary weights file");
        copies[copy_count++] = values;
        snprintf(name, sizeof(name), "step:%d", step);
        answer_tensor(name, values, 1, &count);
    }
    answer_field(",\"costs\":[%s],\"rates\":[%s]", costs, rates);
    free(costs);
    free(rates);
    return 1;
}

/* The learning rate after so many batches. */
static int rates(const call *c)
{
    const json *batches = json_get(c->fields, "batches");
    if (!fresh_network(0)) return 0;
    if (!batches || batches->kind != JSON_LIST) return fault("unusable", "\"batches\" is missing, expected a list of numbers");
    spoilt = 1;
    answer_field(",\"rates\":[");
    for (const json *one = batches->first; one; one = one->next) {
        *net->seen = (size_t)one->number * (size_t)net->batch * (size_t)net->subdivisions;
        answer_field("%s%s", one == batches->first ? "" : ",", number(lib_rate(net)));
    }
    answer_field("]");
    return 1;
}

/* ---- pipeline ---- */

static double argument(const json *args, int position)
{
    const json *one = args ? args->first : NULL;
    while (one && position-- > 0) one = one->next;
    return one ? one->number : 0;
}

/* One image function; 0 where there is none of that name. `from` stays untouched. */
static int image_op(const char *op, const json *args, const char *file, image from, image *to)
{
    int a = (int)argument(args, 0), b = (int)argument(args, 1), c = (int)argument(args, 2), d = (int)argument(args, 3);
    if (strcmp(op, "load") == 0) *to = load_image_color((char *)file, a, b);
    else if (strcmp(op, "resize") == 0) *to = resize_image(from, a, b);
    else if (strcmp(op, "letterbox") == 0) *to = letterbox_image(from, a, b);
    else if (strcmp(op, "crop") == 0) *to = crop_image(from, a, b, c, d);
    else if (strcmp(op, "center_crop") == 0) *to = center_crop_image(from, a, b);
    else if (strcmp(op, "resize_min") == 0) *to = resize_min(from, a);
    else if (strcmp(op, "resize_max") == 0) *to = resize_max(from, a);
    else if (strcmp(op, "rotate") == 0) *to = rotate_image(from, (float)argument(args, 0));
    else if (strcmp(op, "flip") == 0 || strcmp(op, "rgbgr") == 0 || strcmp(op, "distort") == 0) {
        *to = make_image(from.w, from.h, from.c);
        memcpy(to->data, from.data, (size_t)from.w * (size_t)from.h * (size_t)from.c * sizeof(float));
        if (op[0] == 'f') flip_image(*to);
        else if (op[0] == 'r') rgbgr_image(*to);
        else distort_image(*to, (float)argument(args, 0), (float)argument(args, 1), (float)argument(args, 2));
    } else return 0;
    return 1;
}

static int pipeline(const call *c)
{
    const json *stages = json_get(c->fields, "stages");
    const char *file = json_text(c->fields, "file", NULL);
    const tensor *given = call_tensor(c, "image");
    image now = { 0 };
    if (!stages || stages->kind != JSON_LIST) return fault("unusable", "\"stages\" is missing, expected a list");
    if (file && access(file, R_OK) != 0) return fault("unusable", "%s: there is no such file, or it cannot be read", file);
    if (given) {
        if (given->dims != 3) return fault("unusable", "image has %d axes, expected channels, height, width", given->dims);
        now = (image){ .w = given->shape[2], .h = given->shape[1], .c = given->shape[0], .data = (float *)given->data };
    }
    int position = 0;
    for (const json *stage = stages->first; stage; stage = stage->next, position++) {
        const char *op = json_text(stage, "op", "");
        image next;
        char name[MAX_NAME];
        if (strcmp(op, "load") == 0 ? !file : !now.data) return fault("unusable", "stage %d, %s: there is no image to begin with", position, op);
        if (!image_op(op, json_get(stage, "args"), file, now, &next)) return fault("unsupported", "the library has no image function \"%s\"", op);
        /* Some functions hand their argument back. */
        int same = next.data == now.data;
        now = next;
        if (!same && copy_count < 4096) copies[copy_count++] = now.data;
        snprintf(name, sizeof(name), "%d:%.60s", position, op);
        answer_tensor(name, now.data, 3, (const int[]){ now.c, now.h, now.w });
    }
    return 1;
}

/* ---- post ---- */

/* Puts the outputs of the heads where the library looks for them. */
static int take_heads(const call *c)
{
    char name[MAX_NAME];
    int taken = 0;
    for (int i = 0; i < net->n; i++) {
        layer *l = &net->layers[i];
        size_t size = (size_t)l->outputs * (size_t)net->batch;
        tap_name(name, i);
        const tensor *given = call_tensor(c, name);
        if (!given) continue;
        if (tensor_size(given) != size) return fault("unusable", "%s has %zu values, expected %zu", name, tensor_size(given), size);
        memcpy(l->output, given->data, size * sizeof(float));
        taken++;
    }
    return taken > 0 ? 1 : fault("unusable", "no tensor is named after a head of the network");
}

static detection *listed_detections(const call *c, int *count)
{
    const tensor *boxes = call_tensor(c, "boxes"), *objectness = call_tensor(c, "objectness"), *probabilities = call_tensor(c, "probabilities");
    int n = boxes->shape[0], classes = probabilities && probabilities->dims == 2 ? probabilities->shape[1] : 0;
    int fit = boxes->dims == 2 && boxes->shape[1] == 4 && objectness && tensor_size(objectness) == (size_t)n && classes > 0 && probabilities->shape[0] == n;
    if (!fit) {
        fault("unusable", "boxes, objectness and probabilities do not fit together, expected [n,4], [n], [n,classes]");
        return NULL;
    }
    detection *found = calloc((size_t)n + 1, sizeof(detection));
    for (int i = 0; i < n; i++) {
        const float *b = boxes->data + 4 * i;
        found[i].bbox = (box){ .x = b[0], .y = b[1], .w = b[2], .h = b[3] };
        found[i].objectness = objectness->data[i];
        found[i].classes = classes;
        found[i].prob = calloc((size_t)classes, sizeof(float));
        memcpy(found[i].prob, probabilities->data + (size_t)classes * (size_t)i, (size_t)classes * sizeof(float));
    }
    *count = n;
    return found;
}

static void answer_detections(const detection *found, int count, int classes)
{
    float *boxes = malloc((size_t)count * 4 * sizeof(float) + 1), *objectness = malloc((size_t)count * sizeof(float) + 1);
    float *probabilities = malloc((size_t)count * (size_t)classes * sizeof(float) + 1);
    for (int i = 0; i < count; i++) {
        box b = found[i].bbox;
        memcpy(boxes + 4 * i, (const float[]){ b.x, b.y, b.w, b.h }, 4 * sizeof(float));
        objectness[i] = found[i].objectness;
        memcpy(probabilities + (size_t)classes * (size_t)i, found[i].prob, (size_t)classes * sizeof(float));
    }
    copies[copy_count++] = boxes;
    copies[copy_count++] = objectness;
    copies[copy_count++] = probabilities;
    answer_tensor("boxes", boxes, 2, (const int[]){ count, 4 });
    answer_tensor("objectness", objectness, 1, &count);
    answer_tensor("probabilities", probabilities, 2, (const int[]){ count, classes });
}

static int post(const call *c)
{
    const json *image = json_get(c->fields, "image"), *nms = json_get(c->fields, "nms"), *options = json_get(c->fields, "options");
    detection *found;
    int count = 0, listed = call_tensor(c, "boxes") != NULL;
    if (listed) found = listed_detections(c, &count);
    else {
        if (!fresh_network(0) || !take_heads(c)) return 0;
        spoilt = 1;
        int w = (int)json_number(image, "width", net->w), h = (int)json_number(image, "height", net->h);
        found = lib_boxes(net, w, h, (float)json_number(c->fields, "thresh", 0.5), (float)json_number(options, "hier", 0.5),
                          json_get(options, "relative") ? json_true(options, "relative") : 1, json_true(options, "letter"), &count);
    }
    if (!found) return 0;
    /* Heads other than [yolo] leave the number in the detection unset; the library takes the last layer's. */
    int known = 1, classes = listed ? (count > 0 ? found[0].classes : 0) : net->layers[net->n - 1].classes;
    if (nms && nms->kind == JSON_OBJECT) {
        const char *kind = json_text(nms, "kind", "sort");
        known = lib_nms(kind, found, count, classes, (float)json_number(nms, "thresh", 0.45), (float)json_number(nms, "beta", 0.6));
        if (!known) fault("unsupported", "%s's library has no NMS of the kind \"%s\"", lib_name, kind);
    }
    if (known) answer_detections(found, count, classes);
    free_detections(found, count);
    return known;
}

/* ---- the loop ---- */

static void answer(const call *c)
{
    float *values = NULL;
    int ok = 0;
    fault_code = NULL;
    if (strcmp(c->name, "version") == 0) ok = version();
    else if (strcmp(c->name, "describe") == 0) ok = describe(c);
    else if (strcmp(c->name, "run") == 0) ok = run(c);
    else if (strcmp(c->name, "gradient") == 0) ok = gradient(c);
    else if (strcmp(c->name, "train") == 0) ok = train(c);
    else if (strcmp(c->name, "parameters") == 0) ok = (values = parameters()) != NULL;
    else if (strcmp(c->name, "rates") == 0) ok = rates(c);
    else if (strcmp(c->name, "pipeline") == 0) ok = pipeline(c);
    else if (strcmp(c->name, "post") == 0) ok = post(c);
    else fault("unsupported", "the call \"%s\" is not known", c->name);
    if (ok) answer_send(c->id);
    else answer_error(c->id, fault_code ? fault_code : "failed", "%s", fault_code ? fault_text : "failed");
    free(values);
    while (copy_count > 0) free(copies[--copy_count]);
}

int main(void)
{
    call c;
    channel_open();
    gpu_index = -1;
    while (channel_next(&c)) {
        answer(&c);
        call_free(&c);
    }
    if (cfg_is_temporary) unlink(cfg_path);
    return 0;
}
