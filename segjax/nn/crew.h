// The threads that oneDNN works with: those of XLA, for the length of a call.

#ifndef SEGJAX_NN_CREW_H_
#define SEGJAX_NN_CREW_H_

#include <functional>

namespace segjax {

// While a `Crew` lives, the parallel regions that this thread enters are shared with the
// threads of a pool. One crew works at a time, on all of them: a thread that wants one
// of its own meanwhile serves the one that is there.
class Crew {
 public:
  using Schedule = std::function<void(std::function<void()>)>;

  // `threads` are those of the pool, `schedule` lets one of them do a thing.
  Crew(int threads, Schedule schedule);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Threads of a region, this one included.
  int size() const;

  // Lets each thread do `work`, given its place among them; returns when all have.
  void Share(const std::function<void(int place)>& work) const;

 private:
  const Schedule schedule_;
};

}  // namespace segjax

#endif  // SEGJAX_NN_CREW_H_
