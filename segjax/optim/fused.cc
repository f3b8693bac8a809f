// One update of a state by Adam, of all arrays in one pass over memory, as a call of an
// XLA program: the gradient is clipped, the averages and the parameters move, and the
// average of the parameters after them. Where the update is not finite nothing moves.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "xla/ffi/api/ffi.h"

// The same results on every CPU: no clone joins a product and a sum (-ffp-contract=off).
#if !defined(SEGJAX_WIDE) && defined(__x86_64__) && defined(__linux__)
#define SEGJAX_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#elif !defined(SEGJAX_WIDE)
#define SEGJAX_WIDE
#endif

namespace {

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;

constexpr int64_t kPiece = 1 << 14;  // numbers that a thread takes at a time

// As the caller puts them into an array.
struct Numbers {
  float finite, clip, b1, rest1, b2, rest2, eps, correction1, correction2, rate, kept;
};

// Pieces of the arrays of one parameter; `average` is null where none is kept.
struct Piece {
  const float* gradient;
  float *parameter, *mean, *square, *average;
  int64_t size;
  float decay;
};

SEGJAX_WIDE void Move(const Numbers k, const Piece& piece) {
  const int64_t size = piece.size;
  const float decay = piece.decay;
  const float* __restrict g = piece.gradient;
  float* __restrict p = piece.parameter;
  float* __restrict m = piece.mean;
  float* __restrict v = piece.square;
  for (int64_t i = 0; i < size; ++i) {
    const float gradient = g[i] * k.clip;
    m[i] = k.rest1 * gradient + k.b1 * m[i];
    v[i] = k.rest2 * (gradient * gradient) + k.b2 * v[i];
    const float way =
        (m[i] / k.correction1) / (std::sqrt(v[i] / k.correction2) + k.eps);
    p[i] -= k.rate * (way + decay * p[i]);
  }
}

SEGJAX_WIDE void Follow(float kept, const Piece& piece) {
  const float* __restrict p = piece.parameter;
  float* __restrict a = piece.average;
  const float rest = 1 - kept;
  const int64_t size = piece.size;
  for (int64_t i = 0; i < size; ++i) {
    const float moved = rest * p[i] + kept * a[i];
    a[i] = a[i] == p[i] ? a[i] : moved;
  }
}

// Lets the threads of a pool and this one do `work` for each number below `count`.
void Share(ffi::ThreadPool& pool, int64_t count, const std::function<void(int64_t)>& work) {
  struct Job {
    std::atomic<int64_t> next{0}, done{0};
  };
  // A thread that comes late finds nothing to do, and nothing else that is left.
  const auto job = std::make_shared<Job>();
  const std::function<void()> serve = [job, count, &work] {
    for (int64_t i; (i = job->next++) < count; ++job->done) work(i);
  };
  for (int64_t i = 1; i < pool.num_threads(); ++i) pool.Schedule(std::function(serve));
  serve();
  while (job->done < count) std::this_thread::yield();
}

// The arguments are the arrays of all gradients, then of all parameters, means, squares
// and, where they are kept, averages; the results all but the gradients, in their order.
ffi::Error Adam(ffi::ThreadPool pool, ffi::Span<const float> decays, Floats numbers,
                ffi::RemainingArgs arguments, ffi::RemainingRets results) {
  const size_t arrays = decays.size();
  const size_t kinds = arrays == 0 ? 0 : results.size() / arrays;
  if (numbers.element_count() != sizeof(Numbers) / sizeof(float) ||
      (kinds != 3 && kinds != 4) || results.size() != kinds * arrays ||
      arguments.size() != results.size() + arrays)
    return ffi::Error::InvalidArgument("other arrays than an update takes");
  Numbers k;
  std::memcpy(&k, numbers.typed_data(), sizeof(k));
  std::vector<Piece> pieces;
  for (size_t i = 0; i < arrays; ++i) {
    const auto gradient = arguments.get<Floats>(i);
    if (!gradient) return gradient.error();
    const int64_t size = gradient->element_count();
    float* after[4] = {};
    for (size_t kind = 0; kind < kinds; ++kind) {
      const auto from = arguments.get<Floats>((kind + 1) * arrays + i);
      auto to = results.get<Floats>(kind * arrays + i);
      if (!from) return from.error();
      if (!to) return to.error();
      if (from->element_count() != size || (*to)->element_count() != size)
        return ffi::Error::InvalidArgument("arrays of unequal size");
      after[kind] = (*to)->typed_data();
      if (after[kind] != from->typed_data())
        std::memcpy(after[kind], from->typed_data(), size * sizeof(float));
    }
    for (int64_t at = 0; at < size; at += kPiece)
      pieces.push_back({gradient->typed_data() + at, after[0] + at, after[1] + at,
                        after[2] + at, after[3] == nullptr ? nullptr : after[3] + at,
                        std::min(kPiece, size - at), decays[i]});
  }
  if (k.finite != 1) return ffi::Error::Success();
  Share(pool, pieces.size(), [&](int64_t i) {
    Move(k, pieces[i]);
    if (pieces[i].average != nullptr) Follow(k.kept, pieces[i]);
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(adam, Adam,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<ffi::Span<const float>>("decays")
                                  .Arg<Floats>()
                                  .RemainingArgs()
                                  .RemainingRets());
