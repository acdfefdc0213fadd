// Command lines in, the full answer out: whose words they are, and what is said of wrong ones.
#include "cli/commands/dispatch.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/commands/program_path.h"
#include "cli/commands/run_options.h"

namespace devrun::cli {
namespace {

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// What is answered: "action", "text", or the error as it is printed.
std::string answer(const std::string& line) {
  const Dispatched dispatched = dispatch(words(line), [](const std::string&) { return true; });
  if (std::holds_alternative<Action>(dispatched)) return "action";
  if (std::holds_alternative<Text>(dispatched)) return "text";
  const Error& error = std::get<Misuse>(dispatched).error;
  return format_words(error.message, error.hint);
}

struct Case {
  std::string line;
  std::string expected;
};

class Answers : public testing::TestWithParam<Case> {};
TEST_P(Answers, AreThese) {
  EXPECT_EQ(answer(GetParam().line), GetParam().expected) << GetParam().line;
}

INSTANTIATE_TEST_SUITE_P(
    Programs, Answers,
    testing::Values(
        Case{"true", "action"}, Case{"python train.py --lr 3", "action"}, Case{"-- ps", "action"},
        Case{"-- ps --wrong", "action"}, Case{"run -- ps", "action"}, Case{"run ps", "action"},
        Case{"run -d ps -x", "action"}, Case{"-d run sleep 1", "action"},
        Case{"-d -- run", "action"}, Case{"--cpus 2 --memory 16G -g1:a100 sh -c x", "action"},
        Case{"-dq true", "action"}, Case{"--nodes=3 hostname", "action"},
        Case{"-eA=1 -e B -C /tmp env", "action"}, Case{"-d --json true", "action"},
        Case{"-d --array 0-99%10 true", "action"}, Case{"--help", "text"}, Case{"-h", "text"},
        Case{"--version", "text"}, Case{"run --help", "text"}, Case{"--help true", "text"},
        Case{"true --help", "action"},
        Case{"", "devrun: nothing to do: expected a program or a command. Try: devrun help"},
        Case{"-d",
             "devrun: no program is named: expected devrun [OPTIONS] CMD [ARG…]. Try: devrun help "
             "run"},
        Case{"--",
             "devrun: no program is named: expected devrun [OPTIONS] CMD [ARG…]. Try: devrun help "
             "run"},
        Case{"run",
             "devrun: no program is named: expected devrun [OPTIONS] CMD [ARG…]. Try: devrun help "
             "run"},
        Case{"--cpu 2 true",
             "devrun: unknown option --cpu, did you mean --cpus? Try: devrun help run"},
        Case{"--zzzzzz true", "devrun: unknown option --zzzzzz. Try: devrun help run"},
        Case{"-x true", "devrun: unknown option -x. Try: devrun help run"},
        Case{"run --detatch true",
             "devrun: run: unknown option --detatch, did you mean --detach? Try: devrun help run"},
        Case{"--cpus",
             "devrun: --cpus needs a value: --cpus N, such as --cpus 0.5. Try: devrun help run"},
        Case{"--detach=yes true", "devrun: --detach takes no value. Try: devrun help run"},
        Case{"--retries x true",
             "devrun: --retries: 'x' is not a number of further attempts from 0 to 100. "
             "Try: devrun help run"},
        Case{"--retry-on 75 true", "devrun: --retry-on needs --retries N. Try: devrun help run"},
        Case{"--retries 2 --retry-on 75,x true",
             "devrun: --retry-on: '75,x' is not a list of exit statuses from 1 to 255 such as "
             "75,137. Try: devrun help run"},
        Case{"--time 1h --signal TERM true",
             "devrun: --signal: 'TERM' is not a signal and how long before the limit, such as "
             "TERM@60 or USR1@2m. Try: devrun help run"},
        Case{"--after 3 --after-fail 4 --label a=b true", "action"},
        Case{"--after x true",
             "devrun: --after: 'x' is not a job: expected a number such as 42, 42_3 or 42#2. Try: "
             "devrun ps -a"},
        Case{"--keep --discard true",
             "devrun: --keep and --discard do not go together: kept, or thrown away? Try: devrun "
             "help run"},
        Case{"--fresh true",
             "devrun: --fresh needs --retries N: a first attempt has nothing before it. Try: "
             "devrun help run"},
        Case{"--volume a@ true",
             "devrun: --volume: 'a@': expected VOLUME@SNAPSHOT, such as ada@12. "
             "Try: devrun help run"},
        Case{"--cpus x true",
             "devrun: --cpus: 'x' is not a number of cores such as 2 or 0.5. Try: devrun help run"},
        Case{"--cpus 0 true",
             "devrun: --cpus: '0' is not a number of cores such as 2 or 0.5. Try: devrun help run"},
        Case{
            "--cpus -1 true",
            "devrun: --cpus: '-1' is not a number of cores such as 2 or 0.5. Try: devrun help run"},
        Case{"--cpus nan true",
             "devrun: --cpus: 'nan' is not a number of cores such as 2 or 0.5. Try: devrun help "
             "run"},
        Case{"--memory 16Q true",
             "devrun: --memory: '16Q' is not a size: expected a size such as 512M, 16G or 1.5TiB. "
             "Try: devrun help run"},
        Case{"--memory 1 true",
             "devrun: --memory: '1' is less than 4.0 MB, the least that a job can have, did you "
             "mean "
             "1G? Try: devrun help run"},
        Case{"--memory 1M true",
             "devrun: --memory: '1M' is less than 4.0 MB, the least that a job can have. Try: "
             "devrun "
             "help run"},
        Case{"--time 0 true",
             "devrun: --time: '0' leaves the job no time; without --time there is no limit. Try: "
             "devrun help run"},
        Case{"--name a\x7f"
             "b true",
             "devrun: --name: a name is one line of text, without control characters. Try: devrun "
             "help run"},
        Case{"-g H100:8 true",
             "devrun: -g: 'H100:8' is not a number of GPUs such as 2, 2:a100 or 0.5, did you mean "
             "8:H100? Try: devrun help run"},
        Case{"-g x true",
             "devrun: -g: 'x' is not a number of GPUs such as 2, 2:a100 or 0.5. Try: devrun help "
             "run"},
        Case{"--gpus 1: true",
             "devrun: --gpus: '1:' is not a number of GPUs such as 2, 2:a100 or 0.5. Try: devrun "
             "help "
             "run"},
        Case{"--nodes 0 true",
             "devrun: --nodes: '0' is not a number of nodes from 1 to 1024. Try: devrun help run"},
        Case{"--priority high true",
             "devrun: --priority: 'high' is not a whole number. Try: devrun help run"},
        Case{"--after-ok x true",
             "devrun: --after-ok: 'x' is not a job: expected a number such as 42, 42_3 or 42#2. "
             "Try: devrun ps -a"},
        Case{"-d --array 9-0 true",
             "devrun: --array: '9-0' is not a list of task numbers such as 0-99, 1,5,7-9 or "
             "0-100:10, with %MAX after "
             "it. Try: devrun help run"},
        Case{"-d --array 0-9%0 true",
             "devrun: --array: '%0' is not a number of tasks at a time such as %10. Try: devrun "
             "help run"},
        Case{"--array 0-9 true",
             "devrun: --array needs -d: its tasks have no common stdout. Try: devrun help run"},
        Case{"--json true",
             "devrun: --json needs -d: without it stdout is the program's. Try: devrun help run"},
        Case{"-t -d true", "devrun: -t and -d do not go together. Try: devrun help run"},
        Case{"--detach-keys ctrl-1 true",
             "devrun: --detach-keys: 'ctrl-1' is not a key sequence: expected up to 8 keys such as "
             "ctrl-p,ctrl-q or "
             "ctrl-\\,d. Try: devrun help run"}));

INSTANTIATE_TEST_SUITE_P(
    Commands, Answers,
    testing::Values(
        Case{"ps", "action"}, Case{"ps -a --json", "action"}, Case{"--json ps", "action"},
        Case{"ps --help", "text"}, Case{"ps -h", "text"}, Case{"show 42", "action"},
        Case{"show --json 42_3", "action"}, Case{"logs -f 42", "action"},
        Case{"logs --tail 20 --rank=1 --stderr 42", "action"}, Case{"attach 42", "action"},
        Case{"cancel 1 2 3", "action"}, Case{"cancel --signal SIGUSR1 1", "action"},
        Case{"cancel --signal 9 1", "action"}, Case{"wait 1 2", "action"},
        Case{"explain 7", "action"}, Case{"volume ls", "action"},
        Case{"volume create a --from-debootstrap bookworm --include x,y", "action"},
        Case{"volume create a --empty", "action"}, Case{"volume rm a --yes", "action"},
        Case{"volume create a --from-image debian --quota 5G", "action"},
        Case{"volume create a --from-tar x.tar --json", "action"},
        Case{"volume create a --from-volume b@3", "action"}, Case{"volume fork a b", "action"},
        Case{"volume import /usr:/opt/x a", "action"}, Case{"volume du", "action"},
        Case{"volume du a --json", "action"}, Case{"volume quota a none", "action"},
        Case{"volume ls --removed", "action"}, Case{"volume restore a", "action"},
        Case{"snapshot create -m text a", "action"}, Case{"snapshot create", "action"},
        Case{"snapshot ls --json", "action"}, Case{"snapshot diff a@1 b", "action"},
        Case{"snapshot diff --stat @1", "action"}, Case{"snapshot rm a@1", "action"},
        Case{"snapshot restore a@1 /x /y", "action"}, Case{"--volume a@1 true", "action"},
        Case{"shell", "action"}, Case{"shell ada", "action"},
        Case{"shell ada -- apt-get update", "action"}, Case{"shell --stop ada", "action"},
        Case{"nodes", "action"}, Case{"nodes ls --json", "action"},
        Case{"nodes lost node1", "action"}, Case{"up --nodes 3 --size 10G", "action"},
        Case{"down --purge --yes", "action"}, Case{"doctor", "action"},
        Case{"completion bash", "action"}, Case{"help", "action"}, Case{"help run", "action"},
        Case{"top --help", "text"},
        Case{"ps --al",
             "devrun: ps: unknown option --al, did you mean --all? Try: devrun help ps; or devrun "
             "-- ps --al, to run a "
             "program of that name"},
        Case{"ps -a --since 2d --until 2026-11-01 --user ada --limit 20 --before 99 aux", "action"},
        Case{"ps --state queued,FAILED --name train-* --exit !0", "action"},
        Case{
            "ps --state done",
            "devrun: ps: --state: there is no state 'done': they are QUEUED, STARTING, SETTING_UP, "
            "RUNNING, COMPLETING, UNREACHABLE, SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, NODE_LOST. "
            "Try: devrun help ps; or devrun -- ps --state done, to run a program of that name"},
        Case{"ps --exit 300",
             "devrun: ps: --exit: '300' is neither a status from 0 to 255 nor !0. Try: devrun help "
             "ps; or devrun -- ps --exit 300, to run a program of that name"},
        Case{"-g 1 ps",
             "devrun: ps: unknown option -g. Try: devrun help ps; or devrun -g 1 -- ps, to run a "
             "program of that name"},
        Case{"show",
             "devrun: show: which job? Expected its number. Try: devrun help show; or devrun -- "
             "show, to run a program of that name"},
        Case{"show 1 2",
             "devrun: show: expected one job, not 2. Try: devrun help show; or devrun -- show 1 2, "
             "to run a program of that name"},
        Case{"wait x",
             "devrun: wait: 'x' is not a job: expected a number such as 42, 42_3 or 42#2. Try: "
             "devrun ps -a; or devrun "
             "-- wait x, to run a program of that name"},
        Case{"cancel --signal NOPE 1",
             "devrun: cancel: --signal: 'NOPE' is no signal: expected a name such as USR1, or a "
             "number. Try: devrun help "
             "cancel; or devrun -- cancel --signal NOPE 1, to run a program of that name"},
        Case{"logs --tail x 1",
             "devrun: logs: --tail: 'x' is not a whole number from 0. Try: devrun help logs; or "
             "devrun -- logs --tail x 1, "
             "to run a program of that name"},
        Case{"ps --format {sate}",
             "devrun: ps: --format: there is no field 'sate', did you mean {state}? Try: devrun "
             "help "
             "ps; or devrun -- ps --format '{sate}', to run a program of that name"},
        Case{"usage --by pool",
             "devrun: usage: --by: expected user or volume, not 'pool'. Try: devrun help usage; or "
             "devrun -- usage --by pool, to run a program of that name"},
        Case{"volume",
             "devrun: volume: expected create, fork, import, ls, du, quota, rm, restore, paths, "
             "share. Try: "
             "devrun "
             "help volume; or devrun -- volume, to run a program of that name"},
        Case{"volume creat a",
             "devrun: volume: 'creat' is not create, fork, import, ls, du, quota, rm, restore, "
             "paths, share: did "
             "you mean create? Try: devrun help volume; or devrun -- "
             "volume creat a, to run a program of that name"},
        Case{"volume share a", "action"}, Case{"volume share a b --read", "action"},
        Case{"volume share a @g --none --json", "action"},
        Case{"volume share a b",
             "devrun: volume: share: expected one of --read, --write and --none. Try: devrun "
             "volume share a b --read; or devrun -- volume share a b, to run a program of that "
             "name"},
        Case{"volume share a --write",
             "devrun: volume: share: with whom? Expected a user or @GROUP. Try: devrun volume "
             "share a USER --read; or devrun -- volume share a --write, to run a program of that "
             "name"},
        Case{"user", "action"}, Case{"user ls --json", "action"},
        Case{"user add --role admin --group a --group b --valid 1d ada", "action"},
        Case{"user token --revoke ada", "action"}, Case{"user rm ada", "action"},
        Case{"user join ada vision speech", "action"},
        Case{"user join ada",
             "devrun: user: join: expected a user and groups. Try: devrun user join ada vision; or "
             "devrun -- user join ada, to run a program of that name"},
        Case{
            "user tokn ada",
            "devrun: user: 'tokn' is not add, token, rm, join, leave, ids, ls: did you mean token? "
            "Try: devrun help user; or devrun -- user tokn ada, to run a program of that name"},
        Case{"user rm --role admin ada",
             "devrun: user: --role goes with add, not with rm. Try: devrun help user; or devrun "
             "-- user rm --role admin ada, to run a program of that name"},
        Case{"login 10.0.0.1:7444", "action"},
        Case{"login",
             "devrun: login: expected HOST:PORT and a token. Try: the whole line that `devrun user "
             "add` has printed; or devrun -- login, to run a program of that name"},
        Case{
            "snapshot restore a",
            "devrun: snapshot: restore: expected VOLUME@SNAPSHOT, such as ada@12. Try: devrun help "
            "snapshot; or devrun -- snapshot restore a, to run a program of that name"},
        Case{"volume create a",
             "devrun: volume: create needs one source: --from-debootstrap SUITE, --from-image REF, "
             "--from-dir D, --from-tar F, --from-volume V or --empty. Try: devrun help "
             "volume; or devrun -- volume create a, to run a program of that name"},
        Case{"volume create a --from-dir x",
             "devrun: volume: --from-dir: 'x' is not absolute: the folder is one of the storage "
             "host. Try: devrun help "
             "volume; or devrun -- volume create a --from-dir x, to run a program of that name"},
        Case{"volume ls --yes",
             "devrun: volume: --yes goes with rm, not with ls. Try: devrun help volume; or devrun "
             "-- volume ls --yes, to run "
             "a program of that name"},
        Case{"nodes drain n disk", "action"},
        Case{"nodes drain n",
             "devrun: nodes: drain: whoever waits will want to know why. Try: devrun nodes drain n "
             "'new disk'; or devrun -- nodes drain n, to run a program of that name"},
        Case{"nodes add",
             "devrun: nodes: add: expected a name for one new node. Try: devrun nodes add node7; "
             "or devrun -- nodes add, to run a program of that name"},
        Case{"nodes join ctl:7444 hello",
             "devrun: nodes: this is no token of `devrun nodes add` or `devrun user add`: it "
             "does not begin with `devrun1.`. Try: the whole line that it printed, once more; or "
             "devrun -- nodes join "
             "ctl:7444 hello, to run a program of that name"},
        Case{"shell a b",
             "devrun: shell: expected one volume, not also 'b': a program follows after `--`. Try: "
             "devrun help shell; or "
             "devrun -- shell a b, to run a program of that name"},
        Case{"up --nodes 0",
             "devrun: up: --nodes: '0' is not a number of nodes from 1 to 64. Try: devrun help up; "
             "or devrun -- up --nodes "
             "0, to run a program of that name"},
        Case{"completion tcsh",
             "devrun: completion: expected one shell: bash, zsh or fish. Try: devrun help "
             "completion; or devrun -- "
             "completion tcsh, to run a program of that name"},
        Case{"help laun",
             "devrun: help: 'laun' is no command, did you mean launch? Try: devrun help launch; or "
             "devrun -- help laun, to "
             "run a program of that name"},
        Case{"top -b",
             "devrun: top: unknown option -b. Try: devrun help top; or devrun -- top -b, to run a "
             "program "
             "of that name"},
        Case{
            "launch -c mine f.yaml",
            "devrun: launch: unknown option -c. Try: without it: every launch is a job of its own, "
            "on whichever nodes have room; a program beside a job that runs: devrun exec JOB -- "
            "CMD; or devrun -- launch -c mine f.yaml, to run a program of that name"},
        Case{"launch -y f.yaml", "action"},
        Case{"undo a b",
             "devrun: undo: expected one job. Try: devrun help undo; or devrun -- undo a b, to run "
             "a program of that name"}));

TEST(Dispatch, OffersAProgramOnlyWhereThereIsOne) {
  const auto none = [](const std::string&) { return false; };
  EXPECT_EQ(std::get<Misuse>(dispatch({"ps", "--al"}, none)).error.hint, "devrun help ps");
  EXPECT_EQ(std::get<Misuse>(dispatch({"rerun", "a"}, none)).error.hint, "devrun ps -a");
  EXPECT_EQ(std::get<Misuse>(dispatch({"help", "nosuch"}, none)).error.hint, "devrun help");
  const Error launch = std::get<Misuse>(dispatch({"launch"}, none)).error;
  EXPECT_EQ(format_words(launch.message, launch.hint),
            "devrun: launch: which task file? None is named. Try: devrun launch FILE.yaml");
}

TEST(IsProgram, LooksAsAShellDoes) {
  EXPECT_TRUE(is_program("sh", "/nonexistent:/bin"));
  EXPECT_TRUE(is_program("/bin/sh", ""));
  EXPECT_FALSE(is_program("sh", "/nonexistent"));
  EXPECT_FALSE(is_program("sh", ""));
  EXPECT_FALSE(is_program("", "/bin"));
  EXPECT_FALSE(is_program("bin", "/"));
  EXPECT_FALSE(is_program("passwd", "/etc"));
}

TEST(Dispatch, QuotesWhatItOffers) {
  const Dispatched dispatched =
      dispatch({"undo", "a b", "it's"}, [](const std::string&) { return true; });
  EXPECT_EQ(std::get<Misuse>(dispatched).error.hint,
            "devrun help undo; or devrun -- undo 'a b' 'it'\\''s', to run a program of that name");
}

TEST(Dispatch, EverythingAfterTheFirstWordIsThePrograms) {
  const auto arguments =
      parse_arguments(std::vector<std::string>{"-q", "sh", "-c", "x", "--", "-d"},
                      run_option_table(), WordRule::kStopOptions);
  ASSERT_TRUE(arguments);
  const auto options = read_run_options(*arguments);
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->quiet);
  EXPECT_FALSE(options->detach);
  EXPECT_EQ(options->command, (std::vector<std::string>{"sh", "-c", "x", "--", "-d"}));
}

RunOptions parsed(const std::string& line) {
  const auto arguments = parse_arguments(words(line), run_option_table(), WordRule::kStopOptions);
  EXPECT_TRUE(arguments);
  auto options = read_run_options(*arguments);
  EXPECT_TRUE(options) << line;
  return *options;
}

TEST(RunOptions, Values) {
  const RunOptions options = parsed(
      "-d -g 2:a100 --cpus 0.5 --memory 16G --nodes 3 --pool p --volume v --name n -e A=1 -eB -C "
      "/d --time 1h30m "
      "--priority -5 --after-ok 41 --after-ok 40 --no-stdin -T -q --json --array 0-9,20-30:5%4 "
      "true");
  EXPECT_EQ(options.per_node, (Resources{500, int64_t{16} << 30, 2, "a100"}));
  EXPECT_EQ(options.nodes, 3u);
  EXPECT_EQ(options.pool, "p");
  EXPECT_EQ(options.volume, "v");
  EXPECT_EQ(options.name, "n");
  EXPECT_EQ(options.env, (std::vector<std::string>{"A=1", "B"}));
  EXPECT_EQ(options.folder, "/d");
  EXPECT_EQ(options.time_limit, seconds(5400));
  EXPECT_EQ(options.priority, -5);
  EXPECT_EQ(options.after_ok, (std::vector<JobId>{41, 40}));
  EXPECT_TRUE(options.detach && options.no_stdin && options.quiet && options.json);
  EXPECT_EQ(options.tty, TtyChoice::kNever);
  EXPECT_EQ(options.array, (std::vector<ArrayRange>{{0, 9, 1}, {20, 30, 5}}));
  EXPECT_EQ(options.array_running_max, 4u);
  EXPECT_EQ(options.detach_keys,
            "\x1c"
            "d");
}

TEST(RunOptions, Defaults) {
  const RunOptions options = parsed("true");
  EXPECT_EQ(options.per_node, (Resources{1000, 0, 0, ""}));
  EXPECT_EQ(options.nodes, 1u);
  EXPECT_EQ(options.tty, TtyChoice::kIfTerminals);
  EXPECT_EQ(options.time_limit.us, 0);
}

TEST(RunOptions, TheLastOfTwoCounts) {
  EXPECT_EQ(parsed("--cpus 1 --cpus 4 true").per_node.cpu_milli, 4000);
}

}  // namespace
}  // namespace devrun::cli
