// OpenMP as far as oneDNN asks for it, by the threads of XLA.
//
// oneDNN's package shares its work through GCC's OpenMP, whose threads come on top of
// XLA's, a set for each of XLA's threads that calls. More threads than cores then wait
// busily for one another, which made a gradient by a kernel take up to twice as long.
// So the functions that oneDNN has of libgomp are defined here; the loader finds these
// first, because this library brings oneDNN in. Where another has made libgomp known to
// the whole process before (PyTorch does), those are found, and these are never called.
//
// Regions wait for each other inside (barriers), so a region begins when all members are
// there. All fields are sequentially consistent or written before one that is.

#include "crew.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace segjax {
namespace {

using Clock = std::chrono::steady_clock;

// A thread of XLA that has not come by then is busy; another is begun in its place.
constexpr std::chrono::microseconds kPatience(200);
constexpr int kSpins = 4096;
constexpr int kOver = 1 << 30;  // more places than any crew has

// Of the crew at work, which holds the lock.
std::mutex working;
const Crew::Schedule* schedule = nullptr;
bool called = false;               // for members
std::atomic<int> threads{1};       // the leader included
std::atomic<int> taken{kOver};     // places, the first by the leader
std::atomic<int> aboard{0};        // members that are ready for a region
std::atomic<int> gone{0};          // members that have left
std::atomic<uint64_t> region{0};   // counts up when one begins
std::atomic<int> finished{0};      // members that have done their part of it
std::atomic<int> waiting{0};       // threads at its barrier
std::atomic<uint64_t> barrier{0};  // counts up when all are there
void (*body)(void*) = nullptr;
void* argument = nullptr;
int width = 1;                     // threads of the region; the others stand by

thread_local bool leads = false;
thread_local int place = 0;
thread_local int depth = 0;        // of regions

class Pause {
 public:
  void operator()() {
    if (++turns_ < kSpins) {
      _mm_pause();
    } else {
      sched_yield();
    }
  }

 private:
  int turns_ = 0;
};

bool TakePlace() {
  int next = taken;
  do {
    if (next >= threads) return false;
  } while (!taken.compare_exchange_weak(next, next + 1));
  place = next;
  return true;
}

// Does a member's part of all regions, if a place is free and until the crew is over.
void Serve() {
  if (!TakePlace()) return;
  uint64_t seen = region;
  ++aboard;
  for (Pause pause;;) {
    if (const uint64_t now = region; now != seen) {
      seen = now;
      if (place < width) {
        depth = 1;
        body(argument);
        depth = 0;
      }
      ++finished;
      pause = Pause();
    } else if (taken == kOver) {
      break;
    } else {
      pause();
    }
  }
  place = 0;
  ++gone;
}

void Gather() {
  if (!called) {
    called = true;
    for (int i = 1; i < threads; ++i) (*schedule)(Serve);
  }
  const auto late = Clock::now() + kPatience;
  bool hired = false;
  Pause pause;
  while (aboard < threads - 1) {
    if (!hired && Clock::now() > late) {
      hired = true;
      try {
        for (int i = aboard; i < threads - 1; ++i) std::thread(Serve).detach();
      } catch (const std::system_error&) {
        // No more threads to be had: those of XLA will come.
      }
    }
    pause();
  }
}

}  // namespace

Crew::Crew(int count, Schedule how) : schedule_(std::move(how)) {
  for (Pause pause; !working.try_lock(); pause()) Serve();
  schedule = &schedule_;
  threads = std::max(1, count);
  aboard = gone = 0;
  leads = true;
  called = false;
  taken = 1;
}

Crew::~Crew() {
  const int members = taken.exchange(kOver) - 1;
  for (Pause pause; gone < members;) pause();
  leads = false;
  working.unlock();
}

namespace {

void Begin(void (*function)(void*), void* data, unsigned count) {
  if (++depth > 1) return;
  if (!leads) std::abort();  // cannot be: without a crew there is one thread
  width = count == 0 ? threads.load() : std::min<int>(count, threads);
  Gather();
  body = function;
  argument = data;
  finished = 0;
  ++region;
}

void End() {
  if (--depth > 0) return;
  for (Pause pause; finished < threads - 1;) pause();
}

}  // namespace

int Crew::size() const { return threads; }

void Crew::Share(const std::function<void(int)>& work) const {
  using Work = std::function<void(int)>;
  const auto mine = [](void* data) { (*static_cast<const Work*>(data))(place); };
  void* data = const_cast<Work*>(&work);
  Begin(mine, data, 0);
  mine(data);
  End();
}

}  // namespace segjax

// What oneDNN's package has of libgomp, but for the loops of its shuffle. Newer compilers
// call `GOMP_parallel` in the place of its first two.
extern "C" {

void GOMP_parallel_start(void (*function)(void*), void* data, unsigned count) {
  segjax::Begin(function, data, count);
}

void GOMP_parallel_end() { segjax::End(); }

void GOMP_parallel(void (*function)(void*), void* data, unsigned count, unsigned) {
  segjax::Begin(function, data, count);
  function(data);
  segjax::End();
}

void GOMP_barrier() {
  using namespace segjax;
  if (depth != 1) return;
  const uint64_t now = barrier;
  if (++waiting == width) {
    waiting = 0;
    ++barrier;
  } else {
    for (Pause pause; barrier == now;) pause();
  }
}

int omp_get_max_threads() {
  return segjax::leads || segjax::depth > 0 ? segjax::threads.load() : 1;
}
int omp_get_num_threads() { return segjax::depth == 1 ? segjax::width : 1; }
int omp_get_thread_num() { return segjax::depth == 1 ? segjax::place : 0; }
int omp_in_parallel() { return segjax::depth > 0 && segjax::width > 1; }

}  // extern "C"
