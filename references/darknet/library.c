#include "library.h"
#include <string.h>

#ifndef DARKNET_VERSION
#define DARKNET_VERSION "unknown"
#endif
const char *lib_version = DARKNET_VERSION;

static int among(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(name, *names) == 0) return 1;
    }
    return 0;
}

static const char *const BOTH[] = {
    "net", "network", "convolutional", "conv", "local", "connected", "conn", "activation", "rnn", "gru", "lstm", "crnn",
    "cost", "softmax", "soft", "region", "yolo", "detection", "normalization", "lrn", "batchnorm", "maxpool", "max",
    "reorg", "avgpool", "avg", "route", "upsample", "shortcut", "dropout", "crop", NULL,
};

#ifdef ALEXEYAB
const char *lib_name = "AlexeyAB";
static const char *const OWN[] = {
    "local_avgpool", "local_avg", "reorg3d", "scale_channels", "sam", "conv_lstm", "Gaussian_yolo", "gaussian_yolo",
    "contrastive", "history", "implicit", "silence", "empty", NULL,
};
#else
const char *lib_name = "pjreddie";
static const char *const OWN[] = { "deconvolutional", "deconv", "logistic", "l2norm", "iseg", NULL };
#endif

int lib_knows_section(const char *name)
{
    return among(name, BOTH) || among(name, OWN);
}

const char *lib_refuses_section(const char *name)
{
#ifndef ALEXEYAB
    if (strcmp(name, "batchnorm") == 0) return "this library crashes on a [batchnorm] of its own (segmentation fault)";
#endif
    (void)name;
    return NULL;
}

const char *lib_kind(const layer *l)
{
    switch (l->type) {
        case CONVOLUTIONAL: return "convolutional";
        case DECONVOLUTIONAL: return "deconvolutional";
        case CONNECTED: return "connected";
        case MAXPOOL: return "maxpool";
        case SOFTMAX: return "softmax";
        case DETECTION: return "detection";
        case DROPOUT: return "dropout";
        case CROP: return "crop";
        case ROUTE: return "route";
        case COST: return "cost";
        case NORMALIZATION: return "normalization";
        case AVGPOOL: return "avgpool";
        case LOCAL: return "local";
        case SHORTCUT: return "shortcut";
        case ACTIVE: return "activation";
        case RNN: return "rnn";
        case GRU: return "gru";
        case LSTM: return "lstm";
        case CRNN: return "crnn";
        case BATCHNORM: return "batchnorm";
        case REGION: return "region";
        case YOLO: return "yolo";
        case ISEG: return "iseg";
        case UPSAMPLE: return "upsample";
        case LOGXENT: return "logistic";
        case L2NORM: return "l2norm";
#ifdef ALEXEYAB
        case LOCAL_AVGPOOL: return "local_avgpool";
        case REORG: return "reorg3d";
        case REORG_OLD: return "reorg";
        case SCALE_CHANNELS: return "scale_channels";
        case SAM: return "sam";
        case CONV_LSTM: return "conv_lstm";
        case GAUSSIAN_YOLO: return "gaussian_yolo";
        case CONTRASTIVE: return "contrastive";
        case HISTORY: return "history";
        case IMPLICIT: return "implicit";
        case EMPTY: return "silence";
#else
        case REORG: return "reorg";
#endif
        default: return "unknown";
    }
}

const char *lib_prefix(const layer *l)
{
    if (l->type == CONVOLUTIONAL) return "conv";
    if (l->type == DECONVOLUTIONAL) return "deconv";
    return lib_kind(l);
}

int lib_is_flat(const layer *layers, int index)
{
    const layer *l = &layers[index];
    if (l->out_w * l->out_h * l->out_c != l->outputs) return 1;
    switch (l->type) {
        case CONNECTED: case SOFTMAX: case COST: case DETECTION: case REGION: case RNN: case GRU: case LSTM:
        case LOGXENT: case L2NORM: case ISEG:
            return 1;
        case ROUTE:
            for (int i = 0; i < l->n; i++) {
                if (!lib_is_flat(layers, l->input_layers[i])) return 0;
            }
            return 1;
        case ACTIVE: case DROPOUT:
            /* These two hand the height and width of their input on, though their own output is a row. */
            if (index == 0 || layers[index - 1].type == LOGXENT || layers[index - 1].type == L2NORM) return 0;
            return lib_is_flat(layers, index - 1);
        default:
            return 0;
    }
}

int lib_is_recurrent(const layer *l)
{
    switch (l->type) {
        case RNN: case GRU: case LSTM: case CRNN:
#ifdef ALEXEYAB
        case CONV_LSTM: case HISTORY:
#endif
            return 1;
        default:
            return 0;
    }
}

#ifdef ALEXEYAB

network *lib_parse(char *cfg)
{
    network *net = calloc(1, sizeof(network));
    *net = parse_network_cfg(cfg);
    return net;
}

void lib_load(network *net, char *weights) { load_weights(net, weights); }
void lib_save(network *net, char *weights) { save_weights(*net, weights); }

static network_state state_of(network *net, float *input, float *truth, float *input_delta, int train)
{
    network_state state = { 0 };
    state.net = *net;
    state.input = input;
    state.truth = truth;
    state.delta = input_delta;
    state.train = train;
    return state;
}

void lib_forward(network *net, float *input, float *truth, float *input_delta, int train)
{
    forward_network(*net, state_of(net, input, truth, input_delta, train));
}

void lib_backward(network *net, float *input, float *truth, float *input_delta)
{
    backward_network(*net, state_of(net, input, truth, input_delta, 1));
}

void lib_update(network *net) { update_network(*net); }
float lib_cost(network *net) { return get_network_cost(*net); }
float lib_rate(network *net) { return get_current_rate(*net); }

detection *lib_boxes(network *net, int w, int h, float thresh, float hier, int relative, int letter, int *count)
{
    return get_network_boxes(net, w, h, thresh, hier, 0, relative, count, letter);
}

int lib_nms(const char *kind, detection *found, int count, int classes, float thresh, float beta)
{
    if (strcmp(kind, "sort") == 0) do_nms_sort(found, count, classes, thresh);
    else if (strcmp(kind, "obj") == 0) do_nms_obj(found, count, classes, thresh);
    else if (strcmp(kind, "greedy") == 0) diounms_sort(found, count, classes, thresh, GREEDY_NMS, beta);
    else if (strcmp(kind, "diou") == 0) diounms_sort(found, count, classes, thresh, DIOU_NMS, beta);
    else if (strcmp(kind, "corners") == 0) diounms_sort(found, count, classes, thresh, CORNERS_NMS, beta);
    else return 0;
    return 1;
}

#else

/*
 * [local] states its need in floats where bytes are meant, and of its output's size where it unrolls a padded map; then it
 * writes beyond its workspace.
 */
static size_t local_workspace(const layer *l)
{
    size_t rows = (size_t)((l->h + 2 * l->pad - l->size) / l->stride + 1), columns = (size_t)((l->w + 2 * l->pad - l->size) / l->stride + 1);
    size_t unrolled = rows * columns * (size_t)(l->size * l->size * l->c) * sizeof(float);
    return unrolled > l->workspace_size * sizeof(float) ? unrolled : l->workspace_size * sizeof(float);
}

network *lib_parse(char *cfg)
{
    size_t room = 0;
    network *net = parse_network_cfg(cfg);
    if (!net) return NULL;
    for (int i = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        /* The convolutions inside [crnn] need room as well, and nobody asks them. */
        const layer *inside[] = { l, l->input_layer, l->self_layer, l->output_layer };
        for (int k = 0; k < 4; k++) {
            if (!inside[k]) continue;
            size_t needed = inside[k]->type == LOCAL ? local_workspace(inside[k]) : inside[k]->workspace_size;
            if (needed > room) room = needed;
        }
    }
    free(net->workspace);
    net->workspace = calloc(room + sizeof(float), 1);
    return net;
}

void lib_load(network *net, char *weights)
{
    /* Its reader divides by the groups of a deconvolution, which it never sets. */
    for (int i = 0; i < net->n; i++) {
        if (net->layers[i].type == DECONVOLUTIONAL && net->layers[i].groups == 0) net->layers[i].groups = 1;
    }
    load_weights(net, weights);
}

void lib_save(network *net, char *weights) { save_weights(net, weights); }

/* Runs a pass on the caller's buffers. The network's own come back: free_network frees them. */
static void pass(void (*run)(network *), network *net, float *input, float *truth, float *input_delta, int train)
{
    float *own_input = net->input, *own_truth = net->truth, *own_delta = net->delta;
    net->input = input;
    net->truth = truth;
    net->delta = input_delta;
    net->train = train;
    run(net);
    net->input = own_input;
    net->truth = own_truth;
    net->delta = own_delta;
}

void lib_forward(network *net, float *input, float *truth, float *input_delta, int train)
{
    pass(forward_network, net, input, truth, input_delta, train);
}

void lib_backward(network *net, float *input, float *truth, float *input_delta)
{
    pass(backward_network, net, input, truth, input_delta, 1);
}

void lib_update(network *net) { update_network(net); }
float lib_cost(network *net) { return *net->cost; }
float lib_rate(network *net) { return get_current_rate(net); }

detection *lib_boxes(network *net, int w, int h, float thresh, float hier, int relative, int letter, int *count)
{
    (void)letter; /* always corrected for the letterbox */
    return get_network_boxes(net, w, h, thresh, hier, 0, relative, count);
}

int lib_nms(const char *kind, detection *found, int count, int classes, float thresh, float beta)
{
    (void)beta;
    if (strcmp(kind, "sort") == 0) do_nms_sort(found, count, classes, thresh);
    else if (strcmp(kind, "obj") == 0) do_nms_obj(found, count, classes, thresh);
    else return 0;
    return 1;
}

#endif
