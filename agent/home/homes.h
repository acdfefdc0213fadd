// What the attempts of a node write, brought home: the one face of this folder. While an attempt runs (running_rounds.h), at its
// end and after it (final_rounds.h), and whenever somebody asks.
#pragma once

#include "agent/home/final_rounds.h"
#include "agent/home/rounds.h"
#include "agent/home/running_rounds.h"

namespace devrun::home {

class Homes {
 public:
  Homes(std::shared_ptr<grpc::Channel> controller, sandbox::WrittenPlaces& places)
      : places_(places),
        rounds_(std::move(controller)),
        running_(rounds_),
        final_(rounds_, places) {}
  ~Homes() { stop(); }

  void begin() {
    running_.begin();
    final_.begin();
  }
  // Whatever is under way ends, and finish() returns; to be told again by the next agent. Idempotent.
  void stop() {
    rounds_.stop();
    running_.stop();
    final_.stop();
  }

  // Any thread, all of these. Its container is there; said again after a restart.
  void started(const AttemptKey& key) {
    const Result<sandbox::WrittenPlace> place = places_.written_place(key);
    if (!place || place->live || place->results == Results::kDiscard) return;
    running_.add(key, {place->upper, place->lower, place->paths, place->caller_home});
  }
  // Its program has ended: what became of all that it wrote. None: nothing of it was to be stored. Blocking, for as long as the
  // controller is away.
  std::optional<HomeSummary> finish(const AttemptKey& key) {
    return final_.finish(key, running_.take(key));
  }
  // Its folder was released: what has not been told of it is told now, if it can be.
  void released(const AttemptKey& key) {
    running_.take(key);
    final_.owe(key);
  }
  // Nobody waits for what it wrote: finish() returns soon, and nothing more of it is told unless somebody asks.
  void leave(const AttemptKey& key) { final_.leave(key); }
  // Somebody waits for what it has written.
  void bring(const AttemptKey& key) {
    if (!running_.look_now(key)) final_.owe(key, true);
  }

 private:
  sandbox::WrittenPlaces& places_;
  Rounds rounds_;
  RunningRounds running_;
  FinalRounds final_;
};

}  // namespace devrun::home
