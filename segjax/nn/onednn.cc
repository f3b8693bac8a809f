// Convolutions of channel-last float32 or bfloat16 arrays by oneDNN, and the batch norm
// of norm.h, as calls of an XLA program.
//
// Each call of a convolution has the sizes in its arrays and `window`: stride, rate, zeros above, below,
// left and right of the image, groups. Kernels are (kh, kw, C / groups, F).

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "crew.h"
#include "norm.h"
#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

namespace {

namespace ffi = xla::ffi;
using dnnl::memory;
using Array = ffi::AnyBuffer;
using Result = ffi::Result<ffi::AnyBuffer>;
using Floats = ffi::Buffer<ffi::F32>;
using FloatsResult = ffi::ResultBuffer<ffi::F32>;
using Numbers = ffi::Span<const int64_t>;
// Threads, the window, the sizes of image, kernel and output, their type; `Find` adds
// the kind.
using Key = std::vector<int64_t>;

enum class Kind { kForward, kToImage, kToKernel };

// oneDNN's primitive, the arrays as XLA has them, the kernel as it is quickest, and the
// memory to work in.
struct Call {
  dnnl::primitive primitive;
  memory::desc image, kernel, out, inner, scratch;
  int64_t block = 0;  // output channels of a block, if `inner` is in such alone
};

const dnnl::engine& Cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::data_type TypeOf(const Array& array) {
  if (array.element_type() == ffi::F32) return memory::data_type::f32;
  if (array.element_type() == ffi::BF16) return memory::data_type::bf16;
  throw std::invalid_argument("neither float32 nor bfloat16");
}

memory::desc ChannelsLast(const int64_t* size, memory::data_type type) {
  return {{size[0], size[3], size[1], size[2]}, type, memory::format_tag::nhwc};
}

memory::desc KernelOf(const int64_t* size, int64_t groups, memory::data_type type) {
  const int64_t kh = size[0], kw = size[1], in = size[2], out = size[3];
  const memory::dims steps = {1, out, kw * in * out, in * out};
  if (groups == 1) return {{out, in, kh, kw}, type, steps};
  const int64_t each = out / groups;
  return {{groups, each, in, kh, kw},
          type,
          memory::dims{each, steps[0], steps[1], steps[2], steps[3]}};
}

// How many output channels a block of the kernel has that is an array (F / block, kh,
// kw, I, block); 0 if the kernel is arranged in another way.
int64_t BlockOf(const memory::desc& kernel) {
  if (kernel.get_data_type() != memory::data_type::f32 || kernel.get_ndims() != 4 ||
      kernel.get_inner_nblks() != 1 || kernel.get_inner_idxs()[0] != 0)
    return 0;
  const int64_t block = kernel.get_inner_blks()[0];
  const memory::dims size = kernel.get_padded_dims();
  const memory::dims steps = {size[1] * size[2] * size[3] * block, block,
                              size[3] * size[1] * block, size[1] * block};
  return kernel.get_strides() == steps ? block : 0;
}

// From (rows, F) to (F / block, rows, block), zeros behind the last channel: what
// oneDNN's own reordering needs four times as long for.
void ToBlocks(const float* from, float* to, int64_t rows, int64_t channels, int64_t block,
              const segjax::Crew& crew) {
  crew.Share([=, &crew](int place) {
    const int64_t first = rows * place / crew.size();
    const int64_t last = rows * (place + 1) / crew.size();
    for (int64_t row = first; row < last; ++row) {
      for (int64_t channel = 0; channel < channels; channel += block) {
        const int64_t some = std::min(block, channels - channel);
        float* target = to + channel * rows + row * block;
        std::copy_n(from + row * channels + channel, some, target);
        std::fill(target + some, target + block, 0.0f);
      }
    }
  });
}

Call Make(Kind kind, const Key& key) {
  const int64_t *window = &key[1], *x = &key[8], *k = &key[12], *y = &key[16];
  const auto type = static_cast<memory::data_type>(key[20]);
  const auto image = ChannelsLast(x, type), out = ChannelsLast(y, type);
  const auto kernel = KernelOf(k, window[6], type);
  const memory::desc any(kernel.get_dims(), type, memory::format_tag::any);
  const memory::dims strides = {window[0], window[0]};
  const memory::dims dilates = {window[1] - 1, window[1] - 1};
  const memory::dims before = {window[2], window[4]}, after = {window[3], window[5]};
  const auto way = dnnl::algorithm::convolution_direct;
  // oneDNN's own scratchpad is of the thread that made the primitive; XLA has many.
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::convolution_forward::primitive_desc forward(
      Cpu(), dnnl::prop_kind::forward_training, way, image, any, out, strides, dilates,
      before, after, attr);
  if (kind == Kind::kForward) {
    const auto inner = forward.weights_desc();
    return {dnnl::convolution_forward(forward), image, kernel, out, inner,
            forward.scratchpad_desc(), BlockOf(inner)};
  }
  if (kind == Kind::kToImage) {
    const dnnl::convolution_backward_data::primitive_desc backward(
        Cpu(), way, image, any, out, strides, dilates, before, after, forward, attr);
    return {dnnl::convolution_backward_data(backward), image, kernel, out,
            backward.weights_desc(), backward.scratchpad_desc()};
  }
  const dnnl::convolution_backward_weights::primitive_desc backward(
      Cpu(), way, image, any, out, strides, dilates, before, after, forward, attr);
  return {dnnl::convolution_backward_weights(backward), image, kernel, out,
          backward.diff_weights_desc(), backward.scratchpad_desc()};
}

// Primitives are made once for each call of a program and kept with the process.
const Call& Find(Kind kind, Key key) {
  static std::mutex mutex;
  static std::map<Key, Call> calls;
  key.push_back(static_cast<int64_t>(kind));
  const std::lock_guard<std::mutex> lock(mutex);
  auto found = calls.find(key);
  if (found == calls.end()) found = calls.emplace(key, Make(kind, key)).first;
  return found->second;
}

// Memory to work in, lent to one call at a time and kept: what is freed and taken anew
// between XLA's own arrays scatters them, and new pages cost more than the convolution.
class Workspace {
 public:
  explicit Workspace(size_t size) {
    {
      const std::lock_guard<std::mutex> lock(Mutex());
      if (!Free().empty()) {
        piece_ = Free().back();
        Free().pop_back();
      }
    }
    if (piece_.size >= size) return;
    std::free(piece_.data);
    piece_ = {std::aligned_alloc(64, (size + 63) / 64 * 64), size};
    if (piece_.data == nullptr) throw std::bad_alloc();
  }
  ~Workspace() {
    const std::lock_guard<std::mutex> lock(Mutex());
    Free().push_back(piece_);
  }
  Workspace(const Workspace&) = delete;
  char* data() const { return static_cast<char*>(piece_.data); }

 private:
  struct Piece {
    void* data = nullptr;
    size_t size = 0;
  };
  static std::mutex& Mutex() {
    static std::mutex mutex;
    return mutex;
  }
  static std::vector<Piece>& Free() {
    static std::vector<Piece> pieces;
    return pieces;
  }
  Piece piece_;
};

// One convolution or gradient: of `image`, `kernel` and `out` the one is written that
// `kind` gives, the others are read.
void Run(Kind kind, const Array& image, const Array& kernel, const Array& out,
         Numbers window, const segjax::Crew& crew) {
  Key key = {crew.size()};
  for (Numbers part : {window, image.dimensions(), kernel.dimensions(), out.dimensions()})
    key.insert(key.end(), part.begin(), part.end());
  key.push_back(static_cast<int64_t>(TypeOf(image)));
  const Call& call = Find(kind, key);
  const bool gives_kernel = kind == Kind::kToKernel;
  const bool gives_image = kind == Kind::kToImage;
  dnnl::stream stream(Cpu());
  const memory x(call.image, Cpu(), image.untyped_data());
  const memory y(call.out, Cpu(), out.untyped_data());
  const size_t turned = call.inner == call.kernel ? 0 : call.inner.get_size();
  const size_t begin = (turned + 63) / 64 * 64;
  const Workspace workspace(begin + call.scratch.get_size());
  memory outer(call.kernel, Cpu(), kernel.untyped_data());
  memory inner = turned ? memory(call.inner, Cpu(), workspace.data()) : outer;
  const memory scratch(call.scratch, Cpu(), workspace.data() + begin);
  if (call.block > 0) {
    const auto size = kernel.dimensions();
    ToBlocks(kernel.typed_data<float>(), static_cast<float*>(inner.get_data_handle()),
             size[0] * size[1] * size[2], size[3], call.block, crew);
  } else if (turned && !gives_kernel) {
    dnnl::reorder(outer, inner).execute(stream, outer, inner);
  }
  call.primitive.execute(
      stream,
      {{gives_image ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, x},
       {gives_kernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, inner},
       {kind == Kind::kForward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, y},
       {DNNL_ARG_SCRATCHPAD, scratch}});
  if (turned && gives_kernel) dnnl::reorder(inner, outer).execute(stream, inner, outer);
  stream.wait();
}

// What `work` does with the threads of `pool`.
template <typename Work>
ffi::Error With(ffi::ThreadPool& pool, Work work) {
  try {
    const segjax::Crew crew(pool.num_threads(), [&](std::function<void()> task) {
      pool.Schedule(std::move(task));
    });
    work(crew);
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
  return ffi::Error::Success();
}

ffi::Error Forward(ffi::ThreadPool pool, Numbers window, Array x, Array kernel, Result y) {
  return With(pool, [&](const segjax::Crew& crew) {
    Run(Kind::kForward, x, kernel, *y, window, crew);
  });
}

ffi::Error ToImage(ffi::ThreadPool pool, Numbers window, Array kernel, Array g, Result x) {
  return With(pool, [&](const segjax::Crew& crew) {
    Run(Kind::kToImage, *x, kernel, g, window, crew);
  });
}

ffi::Error ToKernel(ffi::ThreadPool pool, Numbers window, Array x, Array g,
                    Result kernel) {
  return With(pool, [&](const segjax::Crew& crew) {
    Run(Kind::kToKernel, x, *kernel, g, window, crew);
  });
}

// Both gradients: as two calls XLA would begin them together, to share the same threads.
ffi::Error ToBoth(ffi::ThreadPool pool, Numbers window, Array x, Array kernel, Array g,
                  Result to_x, Result to_kernel) {
  return With(pool, [&](const segjax::Crew& crew) {
    Run(Kind::kToImage, *to_x, kernel, g, window, crew);
    Run(Kind::kToKernel, x, *to_kernel, g, window, crew);
  });
}

segjax::Norm NormOf(const Array& x, const Floats& scale, const Floats& bias,
                    const Floats& mean, const Floats& var, float epsilon, float least,
                    float most) {
  return {static_cast<int64_t>(x.element_count()),
          x.dimensions().back(),
          TypeOf(x) == memory::data_type::bf16,
          epsilon,
          least,
          most,
          scale.typed_data(),
          bias.typed_data(),
          mean.typed_data(),
          var.typed_data()};
}

ffi::Error Norm(ffi::ThreadPool pool, float epsilon, float least, float most, Array x,
                Floats scale, Floats bias, Result y, FloatsResult mean, FloatsResult var) {
  return With(pool, [&](const segjax::Crew& crew) {
    const auto norm = NormOf(x, scale, bias, *mean, *var, epsilon, least, most);
    segjax::Normalize(norm, x.untyped_data(), y->untyped_data(), crew);
  });
}

ffi::Error NormBack(ffi::ThreadPool pool, float epsilon, float least, float most, Array x,
                    Floats scale, Floats bias, Floats mean, Floats var, Array g,
                    Result to_x, FloatsResult to_scale, FloatsResult to_bias) {
  return With(pool, [&](const segjax::Crew& crew) {
    const auto norm = NormOf(x, scale, bias, mean, var, epsilon, least, most);
    segjax::NormalizeBack(norm, x.untyped_data(), g.untyped_data(), to_x->untyped_data(),
                          to_scale->typed_data(), to_bias->typed_data(), crew);
  });
}

auto Common() { return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Attr<Numbers>("window"); }
auto OfTwo() { return Common().Arg<Array>().Arg<Array>().Ret<Array>(); }
auto OfThree() {
  return Common().Arg<Array>().Arg<Array>().Arg<Array>().Ret<Array>().Ret<Array>();
}
auto OfNorm() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Attr<float>("epsilon")
      .Attr<float>("least")
      .Attr<float>("most")
      .Arg<Array>()
      .Arg<Floats>()
      .Arg<Floats>();
}

}  // namespace

extern "C" int multiplies_bfloat16() {
  const int wanted = dnnl_cpu_isa_avx512_core_bf16;
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(forward, Forward, OfTwo());
XLA_FFI_DEFINE_HANDLER_SYMBOL(to_image, ToImage, OfTwo());
XLA_FFI_DEFINE_HANDLER_SYMBOL(to_kernel, ToKernel, OfTwo());
XLA_FFI_DEFINE_HANDLER_SYMBOL(to_both, ToBoth, OfThree());
XLA_FFI_DEFINE_HANDLER_SYMBOL(norm, Norm, OfNorm().Ret<Array>().Ret<Floats>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(norm_back, NormBack,
                              OfNorm()
                                  .Arg<Floats>()
                                  .Arg<Floats>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Ret<Floats>()
                                  .Ret<Floats>());
