// A process that is killed at each named moment of taking and keeping snapshots, restoring,
// creating, importing and collecting. Afterwards the store is whole by fsck, before and after it is
// opened again, and everything that was acknowledged is there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>

#include "common/runtime/file.h"
#include "controller/storage/fsck.h"
#include "controller/storage/storage.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/tree_view.h"

namespace devrun::storage {
namespace {

// What the child writes into the pipe as it is acknowledged: lines of "kept|taken volume number
// tree", and "removed" and "collecting" when snapshots may go.
struct Acknowledged {
  std::string how;
  std::string volume;
  uint64_t number = 0;
  std::string tree;
};

class FaultTest : public DriverTest {
 protected:
  // The same work each time; `acknowledge` gets the lines.
  static void work(Storage& storage, const std::string& archive,
                   const std::function<void(const std::string&)>& acknowledge) {
    const auto say = [&](const std::string& volume, const Result<SnapshotRecord>& record) {
      ASSERT_TRUE(record) << record.error().message;
      acknowledge("kept " + volume + " " + std::to_string(record->number) + " " +
                  record->tree.hex() + "\n");
    };
    const std::string live = storage.live_path("v");
    Work plain;
    ASSERT_TRUE(storage.create_volume({"v", "alice", Empty{}, 0}, plain));
    for (int i = 0; i < 3; ++i) {
      shell("mkdir -p " + live + "/d" + std::to_string(i));
      write_text(live + "/d" + std::to_string(i) + "/large",
                 std::string(1'200'000, static_cast<char>('a' + i)));
      const Result<Snapshot> taken = storage.take_snapshot("v");
      ASSERT_TRUE(taken) << taken.error().message;
      acknowledge("taken v " + std::to_string(taken->number) + " " + taken->tree.hex() + "\n");
      write_text(live + "/same", std::to_string(i));
      say("v", storage.keep_snapshot("v", "number " + std::to_string(i)));
    }
    ASSERT_TRUE(storage.restore({"v", "2"}, {}, plain));
    const UniqueFd tar = *open_file(archive, O_RDONLY);
    ASSERT_TRUE(storage.import_archive(
        "v", "opt", {tar.get()}, [] { return ok(); }, plain));
    say("v", storage.keep_snapshot("v", "after all"));
    ASSERT_TRUE(storage.create_volume({"w", "alice", FromVolume{{"v", ""}}, 0}, plain));
    say("w", storage.keep_snapshot("w", "of the copy"));
    ASSERT_TRUE(storage.remove_snapshot({"v", "2"}));
    acknowledge("removed\n");
    acknowledge("collecting\n");
    for (int i = 0; i < 2; ++i) {
      CollectRequest request;
      request.rest = false;
      request.retention = {seconds(0), 0};
      ASSERT_TRUE(storage.collect(request));
    }
  }

  std::string archive() {
    const std::string out = mount_point() + "/fault.tar";
    shell(
        "d=$(mktemp -d) && mkdir $d/a && echo x > $d/a/f && head -c 1500000 /dev/zero > $d/big && "
        "tar -C $d -cf " +
        out + " . && rm -r $d");
    return out;
  }

  // Runs the work in a child that dies at the `count`th time of `point`; what it acknowledged.
  std::string run_and_die(const std::string& folder, const std::string& archive,
                          const std::string& point) {
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close(fds[0]);
      Result<std::unique_ptr<Storage>> storage =
          Storage::open(folder, [point](std::string_view reached) {
            if (reached == point) ::kill(::getpid(), SIGKILL);
          });
      if (!storage) ::_exit(1);
      work(**storage, archive, [&](const std::string& line) {
        [[maybe_unused]] const ssize_t n = ::write(fds[1], line.data(), line.size());
      });
      ::_exit(0);
    }
    ::close(fds[1]);
    const UniqueFd read(fds[0]);
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(read.get(), buffer, sizeof buffer)) > 0;) {
      out.append(buffer, static_cast<size_t>(n));
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << point << " was never reached";
    return out;
  }

  static void expect_whole(const std::string& folder, const std::string& when) {
    const auto report = check_store(folder, {.data = true}, [&](std::string_view line) {
      ADD_FAILURE() << when << ": " << line;
    });
    ASSERT_TRUE(report) << report.error().message;
  }

  int made_ = 0;

  static std::vector<Acknowledged> parse(const std::string& lines, bool& removed,
                                         bool& collecting) {
    std::vector<Acknowledged> out;
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      removed = removed || line == "removed";
      collecting = collecting || line == "collecting";
      if (line == "removed" || line == "collecting") continue;
      Acknowledged one;
      std::istringstream(line) >> one.how >> one.volume >> one.number >> one.tree;
      out.push_back(one);
    }
    return out;
  }
};

TEST_P(FaultTest, NothingAcknowledgedIsLostAtAnyMoment) {
  const std::string tar = archive();
  std::set<std::string> points;
  {
    const auto storage =
        Storage::open(store() + "/all", [&](std::string_view reached) { points.emplace(reached); });
    ASSERT_TRUE(storage) << storage.error().message;
    work(**storage, tar, [](const std::string&) {});
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GE(points.size(), 15U);
  expect_whole(store() + "/all", "undisturbed");
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    const std::string folder = store() + "/" + point;
    bool removed = false;
    bool collecting = false;
    const std::vector<Acknowledged> acknowledged =
        parse(run_and_die(folder, tar, point), removed, collecting);
    expect_whole(folder, "after the crash");
    {
      const auto storage = Storage::open(folder);
      ASSERT_TRUE(storage) << storage.error().message;
      for (const Acknowledged& one : acknowledged) {
        const auto found = (*storage)->find_snapshot({one.volume, std::to_string(one.number)});
        if (one.number == 2 && one.volume == "v" && (removed || !found)) continue;
        if (one.how == "taken" && collecting && !found) continue;
        ASSERT_TRUE(found) << one.volume << "@" << one.number << ": " << found.error().message;
        EXPECT_EQ(found->tree.hex(), one.tree);
        EXPECT_TRUE(found->pinned || one.how == "taken");
        view_tree((*storage)->export_path(), found->tree);
      }
      for (const VolumeInfo& volume : *(*storage)->volumes()) {
        EXPECT_EQ(volume.damage, "");
        EXPECT_TRUE((*storage)->take_snapshot(volume.name));
      }
    }
    expect_whole(folder, "opened again");
    for (const auto& left : std::filesystem::directory_iterator(folder + "/volumes")) {
      EXPECT_FALSE(left.path().filename().string().starts_with(".new.")) << left;
    }
  }
}

TEST_P(FaultTest, DamageIsFoundAndNamed) {
  const std::string tar = archive();
  const auto problems_after = [&](const std::string& script, bool data) {
    const std::string folder = store() + "/" + std::to_string(++made_);
    {
      const auto storage = Storage::open(folder);
      work(**storage, tar, [](const std::string&) {});
    }
    shell("cd " + folder + " && " + script);
    std::string out;
    EXPECT_TRUE(check_store(folder, {.data = data},
                            [&](std::string_view line) { out += std::string(line) + "\n"; }));
    return out;
  };
  const std::string flip =
      "chmod u+w $f && printf '\\377' | dd of=$f bs=1 seek=40 conv=notrunc status=none";
  const std::string body = "f=$(ls -d export/content/[0-9a-f]*/* | grep -v chunks | head -1) && ";
  EXPECT_EQ(problems_after("true", true), "");
  EXPECT_EQ(problems_after(body + flip, false), "") << "only --data reads them";
  EXPECT_NE(problems_after(body + flip, true).find("do not match its hash"), std::string::npos);
  EXPECT_NE(problems_after(body + "rm $f", false).find("is not there, which"), std::string::npos);
  EXPECT_NE(problems_after("for f in export/packs/*/*; do " + flip + "; done", false)
                .find("does not match its hash"),
            std::string::npos);
  EXPECT_NE(problems_after("rm export/trees/*/*", false).find(": open"), std::string::npos);
  EXPECT_NE(problems_after("echo x > volumes/v/volume.json", false).find("volume v: "),
            std::string::npos);
  EXPECT_NE(problems_after("echo x > volumes/v/snapshots/log", false).find("line 1 of"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(On, FaultTest, ::testing::Values(FileSystem::kBtrfs, FileSystem::kExt4),
                         name_of_parameter);

}  // namespace
}  // namespace devrun::storage
