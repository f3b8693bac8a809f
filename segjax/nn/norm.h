// Batch norm of channel-last images with an activation behind it, and its gradient.

#ifndef SEGJAX_NN_NORM_H_
#define SEGJAX_NN_NORM_H_

#include <cstdint>

#include "crew.h"

namespace segjax {

// `y = min(max((x - mean) / sqrt(var + epsilon) scale + bias, least), most)`; the mean and
// the variance are over all numbers of a channel.
struct Norm {
  int64_t size, channels;    // numbers of the image, and how many of them are a pixel
  bool narrow;               // the images are bfloat16, not float32
  float epsilon, least, most;
  const float *scale, *bias;
  float *mean, *var;         // `Normalize` writes them, `NormalizeBack` reads them
};

void Normalize(const Norm& norm, const void* x, void* y, const Crew& crew);

// The gradients by `x`, `scale` and `bias`, given that by `y`.
void NormalizeBack(const Norm& norm, const void* x, const void* gradient, void* to_x,
                   float* to_scale, float* to_bias, const Crew& crew);

}  // namespace segjax

#endif  // SEGJAX_NN_NORM_H_
