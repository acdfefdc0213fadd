// In a dev container on a node the live volume is an NFS mount: what was written there and is not sent yet would be missing
// in what is done with the volume, and be taken for no edit. No such mount is at hand: this program has a function of its
// own in the place of own_tree.cc's.
#include <gtest/gtest.h>

#include "cli/client/controller.h"
#include "cli/client/own_tree.h"
#include "tests/unit/cli/client/fake_controller.h"

namespace devrun::cli {

namespace {
int sent = 0;
Status outcome = ok();
}  // namespace

Status send_what_is_written(const std::string&) {
  ++sent;
  return outcome;
}

namespace {

class WrittenFirst : public testing::Test {
 protected:
  void SetUp() override {
    sent = 0;
    outcome = ok();
  }
  Target target(bool through_socket) {
    Target out = fake_.target();
    out.through_socket = through_socket;
    return out;
  }
  FakeController fake_;
};

TEST_F(WrittenFirst, IsSentBeforeEachCallThatLooksAtTheVolume) {
  Controller controller(target(true));
  int calls = 0;
  const auto after = [&](const char* which) { EXPECT_EQ(sent, ++calls) << which; };
  // This controller knows none of them.
  (void)controller.create_snapshot("box", "");
  after("snapshot create");
  (void)controller.restore_snapshot({"box", "1"}, {}, {});
  after("snapshot restore");
  (void)controller.diff_snapshots({"box", "1"}, {"box", ""}, {}, {});
  after("snapshot diff");
  (void)controller.take_changes({}, {});
  after("apply");
  (void)controller.undo_changes({}, {});
  after("undo");
  (void)controller.compare_trees({}, {}, {}, {});
  after("diff");
}

TEST_F(WrittenFirst, IsNoCallIfThatFails) {
  outcome = Error{Code::kIo, "no room", {}};
  Controller controller(target(true));
  EXPECT_EQ(controller.restore_snapshot({"box", "1"}, {}, {}).error().message, "no room");
  EXPECT_EQ(controller.take_changes({}, {}).error().message, "no room");
}

TEST_F(WrittenFirst, IsNoMatterOfOthers) {
  Controller controller(target(false));
  (void)controller.restore_snapshot({"box", "1"}, {}, {});
  EXPECT_EQ(sent, 0);
}

}  // namespace
}  // namespace devrun::cli
