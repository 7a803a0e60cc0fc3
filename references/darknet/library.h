/* What the runner needs of a Darknet library, the same for both: pjreddie's (default) and AlexeyAB's (-DALEXEYAB). */
#ifndef DIFFTEST_LIBRARY_H
#define DIFFTEST_LIBRARY_H
#include "darknet.h"

#ifdef ALEXEYAB
/* Exported by the library, though not in its public header. */
network parse_network_cfg(char *filename);
void load_weights(network *net, char *filename);
void save_weights(network net, char *filename);
void forward_network(network net, network_state state);
void backward_network(network net, network_state state);
void update_network(network net);
float get_current_rate(network net);
float get_network_cost(network net);
image load_image(char *filename, int w, int h, int c);
image center_crop_image(image im, int w, int h);
image resize_max(image im, int max);
image rotate_image(image m, float rad);
void flip_image(image a);
float rand_normal();
#else
/* Exported, not in the header. */
#define free_network_ptr free_network
#endif
void distort_image(image im, float hue, float sat, float val);

/* Sections that the library knows, and why some that it knows cannot be used; NULL: no reason not to. */
int lib_knows_section(const char *name);
const char *lib_refuses_section(const char *name);

/* A layer's section name, as difftest spells it ("convolutional"), and what its id begins with ("conv"). */
const char *lib_kind(const layer *l);
const char *lib_prefix(const layer *l);
/* Whether a layer's output has no height and width. */
int lib_is_flat(const layer *layers, int index);
/* Whether it keeps a state between calls. */
int lib_is_recurrent(const layer *l);

network *lib_parse(char *cfg);
void lib_load(network *net, char *weights);
void lib_save(network *net, char *weights);
void lib_forward(network *net, float *input, float *truth, float *input_delta, int train);
/* After lib_forward with the same arguments. */
void lib_backward(network *net, float *input, float *truth, float *input_delta);
void lib_update(network *net);
float lib_cost(network *net);
float lib_rate(network *net);
detection *lib_boxes(network *net, int w, int h, float thresh, float hier, int relative, int letter, int *count);
/* 0 for a kind of NMS that the library does not have. */
int lib_nms(const char *kind, detection *found, int count, int classes, float thresh, float beta);
/* Name and build of the library, for "version". */
extern const char *lib_name, *lib_version;
#endif
