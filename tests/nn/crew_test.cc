// Regions with barriers, led by several threads at a time, with the threads of a pool
// (`all`), with those of one that is busy (`none`) and with a part of them.

#include <atomic>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

#include "crew.h"

extern "C" {
void GOMP_barrier();
int omp_get_thread_num();
int omp_get_num_threads();
void GOMP_parallel(void (*)(void*), void*, unsigned threads, unsigned flags);
}

namespace {

using segjax::Crew;

std::atomic<int> wrong{0};

// Each thread adds up what all have written: right only if all are there, once.
void Regions(int threads, const Crew::Schedule& schedule, int number) {
  const Crew crew(threads, schedule);
  for (int region = 0; region < number; ++region) {
    std::vector<int> given(threads), sums(threads);
    crew.Share([&](int place) {
      given[place] = place + region;
      GOMP_barrier();
      sums[place] = std::accumulate(given.begin(), given.end(), 0);
    });
    const int sum = threads * region + threads * (threads - 1) / 2;
    for (int found : sums) wrong += found != sum;

    std::vector<int> pair(2, -1);
    const auto narrow = [](void* data) {
      static_cast<int*>(data)[omp_get_thread_num()] = omp_get_num_threads();
    };
    GOMP_parallel(narrow, pair.data(), 2, 0);
    wrong += threads == 1 ? pair != std::vector<int>{1, -1} : pair != std::vector<int>{2, 2};
  }
}

}  // namespace

int main() {
  const auto all = [](std::function<void()> task) { std::thread(task).detach(); };
  const auto none = [](std::function<void()>) {};
  for (int threads : {1, 2, 3, 8}) {
    for (const Crew::Schedule& schedule : {Crew::Schedule(all), Crew::Schedule(none)}) {
      std::vector<std::thread> leaders;
      for (int leader = 0; leader < 4; ++leader) {
        leaders.emplace_back([&] {
          for (int call = 0; call < 20; ++call) Regions(threads, schedule, call % 4);
        });
      }
      for (std::thread& leader : leaders) leader.join();
    }
  }
  std::printf("%d wrong\n", wrong.load());
  return wrong != 0;
}
