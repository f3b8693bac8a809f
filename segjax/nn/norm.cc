// Each of the two reads the image twice: once for two sums, once for the result. Sums are
// in float32 within a piece and in float64 between them; how many threads there are, and
// which CPU it is, changes no result: nothing joins a product and a sum
// (-ffp-contract=off).

#include "norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#define SEGJAX_WITHIN inline __attribute__((always_inline))

namespace segjax {
namespace {

constexpr int64_t kWidth = 256;      // numbers of a line, at least
constexpr int64_t kPiece = 1 << 15;  // numbers of a piece, about

// Pixels are taken some at a time, as a line of so many numbers, for few channels alone
// would not fill the registers. These are the channels' numbers for all its places.
struct Line {
  int64_t width;
  const float *mean, *inverse, *factor, *bias, *to_bias, *to_scale;
  float least, most;
};

enum class Pass { kSum, kApply, kSumBack, kApplyBack };

// What a thread does at a time: a pass over some numbers from `at` on.
struct Part {
  Pass pass;
  bool narrow;
  const void *x, *gradient;
  void* to;
  int64_t at, size;
  Line line;
  float *one, *other;  // the sums, of a line's width
};

struct BFloat16 {
  uint16_t bits;
};

SEGJAX_WITHIN float Widen(float x) { return x; }
SEGJAX_WITHIN float Widen(BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof(wide));
  return wide;
}

SEGJAX_WITHIN void Narrow(float x, float& to) { to = x; }
// To the nearest, of two to the even one; what is no number stays none.
SEGJAX_WITHIN void Narrow(float x, BFloat16& to) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  to.bits = static_cast<uint16_t>(x == x ? rounded : 0x7fc0);
}

template <typename T>
SEGJAX_WITHIN void Sum(const T* __restrict x, int64_t size, float* __restrict sum,
                       float* __restrict square) {
  for (int64_t i = 0; i < size; ++i) {
    const float value = Widen(x[i]);
    sum[i] += value;
    square[i] += value * value;
  }
}

template <typename T>
SEGJAX_WITHIN void Apply(const T* __restrict x, int64_t size, const Line& line,
                         T* __restrict y) {
  const float least = line.least, most = line.most;
  const float* __restrict mean = line.mean;
  const float* __restrict factor = line.factor;
  const float* __restrict bias = line.bias;
  for (int64_t i = 0; i < size; ++i) {
    float value = (Widen(x[i]) - mean[i]) * factor[i] + bias[i];
    value = value < least ? least : value;
    Narrow(value > most ? most : value, y[i]);
  }
}

template <typename T>
SEGJAX_WITHIN void SumBack(const T* __restrict x, const T* __restrict gradient,
                           int64_t size, const Line& line, float* __restrict to_bias,
                           float* __restrict to_scale) {
  const float least = line.least, most = line.most;
  const float* __restrict mean = line.mean;
  const float* __restrict inverse = line.inverse;
  const float* __restrict factor = line.factor;
  const float* __restrict bias = line.bias;
  for (int64_t i = 0; i < size; ++i) {
    const float centred = Widen(x[i]) - mean[i];
    const float value = centred * factor[i] + bias[i];
    const float g = (value > least) & (value < most) ? Widen(gradient[i]) : 0.0f;
    to_bias[i] += g;
    to_scale[i] += g * (centred * inverse[i]);
  }
}

template <typename T>
SEGJAX_WITHIN void ApplyBack(const T* __restrict x, const T* __restrict gradient,
                             int64_t size, const Line& line, T* __restrict to_x) {
  const float least = line.least, most = line.most;
  const float* __restrict mean = line.mean;
  const float* __restrict inverse = line.inverse;
  const float* __restrict factor = line.factor;
  const float* __restrict bias = line.bias;
  const float* __restrict to_bias = line.to_bias;
  const float* __restrict to_scale = line.to_scale;
  for (int64_t i = 0; i < size; ++i) {
    const float centred = Widen(x[i]) - mean[i];
    const float value = centred * factor[i] + bias[i];
    const float g = (value > least) & (value < most) ? Widen(gradient[i]) : 0.0f;
    const float rest = g - to_bias[i] - centred * inverse[i] * to_scale[i];
    Narrow(rest * factor[i], to_x[i]);
  }
}

template <typename T>
SEGJAX_WITHIN void DoOf(const Part& part) {
  const T* x = static_cast<const T*>(part.x) + part.at;
  const T* gradient = static_cast<const T*>(part.gradient) + part.at;
  T* to = static_cast<T*>(part.to) + part.at;
  const Line line = part.line;
  for (int64_t at = 0; at < part.size; at += line.width) {
    const int64_t some = std::min(line.width, part.size - at);
    switch (part.pass) {
      case Pass::kSum:
        Sum(x + at, some, part.one, part.other);
        break;
      case Pass::kApply:
        Apply(x + at, some, line, to + at);
        break;
      case Pass::kSumBack:
        SumBack(x + at, gradient + at, some, line, part.one, part.other);
        break;
      case Pass::kApplyBack:
        ApplyBack(x + at, gradient + at, some, line, to + at);
    }
  }
}

SEGJAX_WITHIN void Do(const Part& part) {
  part.narrow ? DoOf<BFloat16>(part) : DoOf<float>(part);
}

__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) void OnAvx512(
    const Part& part) {
  Do(part);
}
__attribute__((target("avx2"))) void OnAvx2(const Part& part) { Do(part); }
void OnAny(const Part& part) { Do(part); }

void DoHere(const Part& part) {
  static const auto here = __builtin_cpu_supports("avx512bw") &&
                                   __builtin_cpu_supports("avx512dq") &&
                                   __builtin_cpu_supports("avx512vl")
                               ? OnAvx512
                           : __builtin_cpu_supports("avx2") ? OnAvx2
                                                            : OnAny;
  here(part);
}

// An image in lines, and those in pieces, of which each thread has its own.
class Pieces {
 public:
  Pieces(const Norm& norm, const Crew& crew) : norm_(norm), crew_(crew) {
    const int64_t channels = norm.channels;
    width_ = (kWidth + channels - 1) / channels * channels;
    each_ = (kPiece + width_ - 1) / width_ * width_;
    count_ = (norm.size + each_ - 1) / each_;
  }

  // A line's numbers, given a channel's.
  std::vector<float> Repeat(const std::function<float(int64_t channel)>& of) const {
    std::vector<float> line(width_);
    for (int64_t c = 0; c < norm_.channels; ++c) line[c] = of(c);
    for (int64_t i = norm_.channels; i < width_; ++i) line[i] = line[i - norm_.channels];
    return line;
  }

  // Does a pass over all pieces; `part` lacks where they are.
  void Each(Part part, std::vector<float>* sums = nullptr) const {
    part.narrow = norm_.narrow;
    part.line.width = width_;
    part.line.least = norm_.least;
    part.line.most = norm_.most;
    crew_.Share([&](int place) {
      const int64_t last = count_ * (place + 1) / crew_.size();
      for (int64_t i = count_ * place / crew_.size(); i < last; ++i) {
        Part mine = part;
        mine.at = i * each_;
        mine.size = std::min(each_, norm_.size - mine.at);
        if (sums != nullptr) {
          mine.one = sums->data() + 2 * i * width_;
          mine.other = mine.one + width_;
        }
        DoHere(mine);
      }
    });
  }

  // Both sums of a pass, by channel.
  void Sums(const Part& part, std::vector<double>& one, std::vector<double>& other) const {
    std::vector<float> sums(2 * count_ * width_);
    Each(part, &sums);
    one.assign(norm_.channels, 0.0);
    other.assign(norm_.channels, 0.0);
    const float* next = sums.data();
    for (int64_t i = 0; i < count_; ++i)
      for (std::vector<double>* of : {&one, &other})
        for (int64_t at = 0; at < width_; at += norm_.channels)
          for (double& total : *of) total += *next++;
  }

  double pixels() const { return static_cast<double>(norm_.size / norm_.channels); }

 private:
  const Norm& norm_;
  const Crew& crew_;
  int64_t width_, each_, count_;
};

}  // namespace

void Normalize(const Norm& norm, const void* x, void* y, const Crew& crew) {
  const Pieces pieces(norm, crew);
  Part part{};
  part.x = x;
  part.to = y;
  part.pass = Pass::kSum;
  std::vector<double> sum, square;
  pieces.Sums(part, sum, square);
  for (int64_t c = 0; c < norm.channels; ++c) {
    const double mean = sum[c] / pieces.pixels();
    const double var = square[c] / pieces.pixels() - mean * mean;
    norm.mean[c] = static_cast<float>(mean);
    norm.var[c] = static_cast<float>(var < 0 ? 0 : var);  // by rounding it may be
  }
  const auto mean = pieces.Repeat([&](int64_t c) { return norm.mean[c]; });
  const auto bias = pieces.Repeat([&](int64_t c) { return norm.bias[c]; });
  const auto factor = pieces.Repeat([&](int64_t c) {
    return 1 / std::sqrt(norm.var[c] + norm.epsilon) * norm.scale[c];
  });
  part.line.mean = mean.data();
  part.line.bias = bias.data();
  part.line.factor = factor.data();
  part.pass = Pass::kApply;
  pieces.Each(part);
}

void NormalizeBack(const Norm& norm, const void* x, const void* gradient, void* to_x,
                   float* to_scale, float* to_bias, const Crew& crew) {
  const Pieces pieces(norm, crew);
  Part part{};
  part.x = x;
  part.gradient = gradient;
  part.to = to_x;
  const auto mean = pieces.Repeat([&](int64_t c) { return norm.mean[c]; });
  const auto bias = pieces.Repeat([&](int64_t c) { return norm.bias[c]; });
  const auto inverse = pieces.Repeat(
      [&](int64_t c) { return 1 / std::sqrt(norm.var[c] + norm.epsilon); });
  const auto factor = pieces.Repeat([&](int64_t c) { return inverse[c] * norm.scale[c]; });
  part.line.mean = mean.data();
  part.line.bias = bias.data();
  part.line.inverse = inverse.data();
  part.line.factor = factor.data();
  part.pass = Pass::kSumBack;
  std::vector<double> sum, product;
  pieces.Sums(part, sum, product);
  std::copy(sum.begin(), sum.end(), to_bias);
  std::copy(product.begin(), product.end(), to_scale);
  const auto each = pieces.Repeat([&](int64_t c) { return sum[c] / pieces.pixels(); });
  const auto slope =
      pieces.Repeat([&](int64_t c) { return product[c] / pieces.pixels(); });
  part.line.to_bias = each.data();
  part.line.to_scale = slope.data();
  part.pass = Pass::kApplyBack;
  pieces.Each(part);
}

}  // namespace segjax
