//! The guides as they stand: the programs in `docs/` and in the README are run with the real packages against a server, and
//! say what they should. `make guides` installs the packages.

mod guide;
mod wire;

use std::{collections::BTreeSet, fs, path::Path, process::Stdio, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
    time::timeout,
};

use self::{guide::Guide, wire::Wire};
use crate::{
    support::program::{finished, installed, to_the_end},
    world::{
        PATIENCE, User, World,
        crew::{Gate, Scripted, calls, says},
        id,
        runs::started,
    },
};

/// What the agent of these stories saves.
const BRIEF: &str = "# Brief\n\nFour per cent.\n";

/// A server behind a wire, an agent that waits at a gate, and somebody with three projects.
struct Ground {
    world: World,
    gate: Arc<Gate>,
    wire: Wire,
    /// Speaks over the wire.
    amy: User,
    project: String,
}

impl Ground {
    async fn new() -> Self {
        let gate = Gate::closed();
        let model = Scripted::new("test/guide", |turn, _| match turn {
            0 => calls(0, &[("gate", json!({}))]),
            1 => calls(1, &[("save_output", json!({ "name": "brief.md", "text": BRIEF }))]),
            _ => says("Four per cent."),
        });
        let world = World::with(|_, crew| {
            crew.models = vec![model];
            crew.tools.push(gate.clone());
        })
        .await;
        let wire = Wire::to(world.house().address()).await;
        let amy = world.user("amy").await;
        amy.project("Gamma").await;
        let project = amy.project("Alpha").await;
        amy.project("Beta").await;
        let amy = User::with_token(wire.base(), amy.token.clone(), amy.secret().to_owned());
        Self { world, gate, wire, amy, project }
    }

    /// What a program prints to its end.
    async fn printed(&self, program: &mut Command) -> String {
        let output = finished(program.env("WORKROOM_PROJECT", &self.project)).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// A program lists the projects, in more than one page.
    async fn lists_projects(&self, program: &mut Command) {
        assert_eq!(self.printed(program).await, "Alpha\nBeta\nGamma\n");
    }

    /// A program uploads a document, and tells where it is.
    async fn uploads(&self, program: &mut Command) {
        assert_eq!(self.printed(program).await, "terms.md\n");
        let query = "query($id: ID!) { project(id: $id) { file(area: DRIVE, path: \"terms.md\") { text } } }";
        let data = self.amy.ask(query, json!({ "id": self.project })).await;
        assert_eq!(data["project"]["file"]["text"], "# Terms\n\nLate sums bear interest at four per cent.\n");
    }

    /// A program starts a run and prints its events; the wire is cut in the middle of it. Nothing is missed and nothing comes
    /// twice. Then it prints what the run made.
    async fn follows_a_run_over_a_cut(&self, program: &mut Command) {
        let mut printed = self.printed_over_a_cut(program.env("WORKROOM_PROJECT", &self.project)).await;
        let query = "query($id: ID!) { project(id: $id) { runs { nodes { id } } } }";
        let data = self.amy.ask(query, json!({ "id": self.project })).await;
        let timeline = self.timeline(&id(&data["project"]["runs"]["nodes"][0])).await;
        let made = printed.split_off(timeline.len().min(printed.len()));
        assert_eq!((printed, made), (timeline, format!("Four per cent.\n{BRIEF}\n")));
    }

    /// What a program prints that follows a run, cut off and let on in the middle of it.
    async fn printed_over_a_cut(&self, program: &mut Command) -> String {
        let mut child =
            program.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut printed = String::new();
        let until_the_gate = async {
            while !printed.contains("TOOL_CALLED\n") {
                assert_ne!(lines.read_line(&mut printed).await.expect("a line"), 0, "it ended early: {printed}");
            }
        };
        timeout(PATIENCE, until_the_gate).await.expect("the run comes to the gate");
        assert_eq!(self.wire.sockets(), 1);
        self.wire.cut();
        self.gate.open();
        let rest = timeout(PATIENCE, lines.read_to_string(&mut printed)).await;
        rest.unwrap_or_else(|_| panic!("it does not end: {printed} and {} sockets", self.wire.sockets()))
            .expect("text");
        assert!(child.wait().await.expect("an end").success(), "{printed}");
        assert_eq!(self.wire.sockets(), 2, "it came back once");
        printed
    }

    /// A run's events as the guides print them.
    async fn timeline(&self, run: &str) -> String {
        let kinds = self.amy.timeline(run).await;
        (1..).zip(&kinds).fold(String::new(), |text, (sequence, kind)| text + &format!("{sequence} {kind}\n"))
    }
}

/// A guide whose programs list projects, upload a file, and follow a run.
async fn a_javascript_client(guide: &str) {
    let guide = Guide::open(guide);
    assert_eq!(guide.contents()[1..], ["js client.js", "js projects.js", "js upload.js", "js run.js"]);
    let ground = Ground::new().await;
    ground.lists_projects(&mut guide.node("projects.js", &ground.amy)).await;
    ground.uploads(&mut guide.node("upload.js", &ground.amy)).await;
    ground.follows_a_run_over_a_cut(&mut guide.node("run.js", &ground.amy)).await;
    ground.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apollo_client() {
    a_javascript_client("docs/apollo.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urql() {
    a_javascript_client("docs/urql.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relay() {
    let guide = Guide::open("docs/relay.md");
    let programs = ["json relay.config.json", "js src/environment.js", "jsx src/ProjectList.jsx", "js src/run.js"];
    assert_eq!(guide.contents()[1..], programs);
    guide.write("schema.graphql", &workroom::graphql::sdl());
    guide.write("projects.jsx", include_str!("guides/projects.jsx"));
    let (well, said) = crate::relay::compile(guide.folder()).await;
    assert!(well, "{said}");
    let ground = Ground::new().await;
    for (entry, program) in [("projects.jsx", "projects.mjs"), ("src/run.js", "run.mjs")] {
        let bundler = installed("tests/guides/bundle.mjs");
        let mut bundling = Command::new("node");
        bundling.arg(bundler).args([entry, program]).current_dir(guide.folder());
        let (well, said) = to_the_end(&mut bundling).await;
        assert!(well, "{said}");
    }
    ground.lists_projects(&mut guide.node("projects.mjs", &ground.amy)).await;
    ground.follows_a_run_over_a_cut(&mut guide.node("run.mjs", &ground.amy)).await;
    ground.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_gql() {
    let guide = Guide::open("docs/python.md");
    assert_eq!(guide.contents()[1..], ["py clients.py", "py projects.py", "py upload.py", "py run.py"]);
    let ground = Ground::new().await;
    ground.lists_projects(&mut guide.python("projects.py", &ground.amy)).await;
    ground.uploads(&mut guide.python("upload.py", &ground.amy)).await;
    ground.follows_a_run_over_a_cut(&mut guide.python("run.py", &ground.amy)).await;
    ground.world.stop().await;
}

/// However often the wire is cut, what an agent elsewhere tells is told once.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_ones_own() {
    const FILES: usize = 30;
    let guide = Guide::open("docs/agent.md");
    assert_eq!(guide.contents()[1..], ["py workroom.py", "py agent.py"]);
    let ground = Ground::new().await;
    let names: Vec<String> = (0..FILES).map(|number| format!("{number:02}.md")).collect();
    for names in names.chunks(10) {
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), b"three short words".as_slice())).collect();
        ground.amy.upload(&ground.project, &files).await;
    }
    let worker = ground.world.worker_of("amy").await;
    let worker = User::with_token(ground.wire.base(), worker.token.clone(), worker.secret().to_owned());
    let _agent = guide.python("agent.py", &worker).kill_on_drop(true).spawn().expect("it starts");
    let amy = ground.world.user("amy").await;
    let run = started(&amy.start(&ground.project, json!({ "agent": "acme/word-counter" })).await);
    let cut = async {
        // Before that the answer to the claim might be lost, which is made good by the end of the lease.
        while !amy.timeline(&run).await.contains(&"TOOL_CALLED".into()) {}
        loop {
            ground.wire.cut();
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    let ended = tokio::select! {
        ended = amy.ended(&run) => ended,
        () = cut => unreachable!("it cuts for ever"),
    };
    assert_eq!(ended["answer"], "90 words in 30 files.");
    let events = amy.whole_timeline(&run).await;
    crate::worker::assert_nothing_repeated(&events);
    assert_eq!(events.len(), 2 + 2 * FILES + 2);
    ground.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn graphql_ws_alone() {
    let guide = Guide::open("README.md");
    let ground = Ground::new().await;
    let run = ground.amy.start_run(&ground.project, "What interest do late sums bear?").await;
    let printed = ground.printed_over_a_cut(guide.node("follow.mjs", &ground.amy).arg(&run)).await;
    assert_eq!(printed, ground.timeline(&run).await);
    ground.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl() {
    let guide = Guide::open("README.md");
    guide.link("fixtures", Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"));
    let world = World::start().await;
    let amy = world.user("amy").await;
    let (well, printed) = to_the_end(guide.command("sh", &amy).args(["-eu", "curl.sh"])).await;
    assert!(well, "{printed}");
    // The answer to the upload, the events, and what the run made.
    let (uploaded, rest) = printed.split_once("event: next\n").unwrap_or_else(|| panic!("no events in {printed}"));
    let uploaded: Value = serde_json::from_str(uploaded).expect("JSON");
    assert_eq!(uploaded["data"]["uploadFiles"]["results"][0]["file"]["path"], "contract.md");
    let (events, made) = rest.split_once("event: complete\n").unwrap_or_else(|| panic!("no end in {printed}"));
    assert!(events.contains("RUN_QUEUED") && events.contains("RUN_COMPLETED"), "{events}");
    let made: Value = serde_json::from_str(&made[made.find("{\n").expect("an object")..]).expect("JSON");
    assert_eq!(made["status"], "COMPLETED");
    let brief = &made["artifacts"]["nodes"][0];
    let text = brief["text"].as_str().expect("text");
    assert!(text.contains("`contract.md"), "{text}");
    let downloaded = guide.folder().join(brief["name"].as_str().expect("a name"));
    assert_eq!(fs::read_to_string(downloaded).expect("the download"), text);
    let mut saved = fs::read_dir(guide.folder()).expect("the folder").map(|entry| entry.expect("an entry").path());
    let table = saved.find(|path| path.extension().is_some_and(|ending| ending == "csv")).expect("a table");
    let table = fs::read_to_string(table).expect("the export");
    assert!(table.starts_with("id,number,") && table.contains(",COMPLETED,"), "{table}");
    world.stop().await;
}

#[test]
fn there_is_a_story_for_each_guide() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = fs::read_dir(folder).expect("the guides").map(|guide| guide.expect("a guide").file_name());
    let names: BTreeSet<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["agent.md", "apollo.md", "python.md", "relay.md", "urql.md"]);
}

/// What a guide says is to be installed is what its programs were run with.
#[test]
fn the_packages_that_a_guide_names_are_those_of_its_story() {
    let packages = [include_str!("guides/package.json"), include_str!("relay/package.json")];
    let packages = packages.map(|text| serde_json::from_str::<Value>(text).expect("JSON")["devDependencies"].take());
    for guide in ["docs/apollo.md", "docs/urql.md", "docs/relay.md"] {
        let named = Guide::open(guide).contents().swap_remove(0);
        let named: Vec<_> = named.lines().flat_map(|line| line.split(' ').skip(2)).collect();
        assert!(named.len() > 1, "{guide} names no packages first");
        for name in named.iter().filter(|name| !name.starts_with("--")) {
            assert!(packages.iter().any(|packages| packages[name].is_string()), "{guide} names {name}");
        }
    }
    let named = Guide::open("docs/python.md").contents().swap_remove(0);
    let named =
        named.trim().strip_prefix("pip install '").and_then(|named| named.strip_suffix('\'')).expect("a package");
    assert!(include_str!("guides/requirements.txt").contains(&format!("\n{named}==")), "{named}");
}
