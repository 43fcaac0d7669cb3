------------------------------- MODULE Quorum -------------------------------
(***************************************************************************)
(* The quorum and reconfiguration rules of one replica set, small enough   *)
(* for TLC to visit every state.  README.md maps each action to the code   *)
(* and says what was abstracted, and why nothing is lost by it.            *)
(*                                                                         *)
(* Dropped names the rules that a run breaks on purpose; a rule that can   *)
(* be dropped without a violation would be no rule, or the model blind.    *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Replica,      \* everyone who may ever hold a copy: voters, learners, spares
  Nobody,       \* no replica: a vote not given
  Sets,         \* the quorum sets of this run by name: [voters, w, r]
  First,        \* the name of the set that is in force at first
  Targets,      \* the names of the sets that a leader may change to
  MaxTerm,      \* elections
  MaxLog,       \* entries in a log
  MaxChanges,   \* configuration entries in a log: two make one joint change
  MaxWipes,     \* disks replaced by blank ones
  MaxDamages,   \* disks that lose entries they had synced
  MaxTorn,      \* restarts that cannot tell whether a torn tail had been synced
  EarlyVotes,   \* whether votes are given one by one; otherwise all of an election at once (README.md says when that is the same)
  Dropped       \* rules not kept

VARIABLES
  term, vote,   \* in force, and on disk before anything that rests on them is said
  saved,        \* what is on disk of them, in runs that drop that rule
  early,        \* of a candidate: who voted for it so far; their votes are on their way, or there
  leads,        \* who leads: the process that was elected still runs, in that term
  log,          \* what the replica goes by: entries [term, config], on disk or not
  disk,         \* what is certainly on its disk, an old tail that it truncated since included
  match,        \* of a leader: how much of its log each replica said to have on disk, in this term
  commit,       \* of a leader: how far it committed in its term; 0 before
  sent,         \* by term: the log of its leader, all of it sent to everyone at once
  leaders,      \* by term: who was elected
  committed,    \* a ghost: the longest log ever committed, and the term that committed each entry
  gone,         \* replicas whose disk was replaced: their ids are never used again
  heard,        \* in runs that drop the rule of old acknowledgements: the most that each ever said
  doubt,        \* rule 10: Whole, or [kind, boot, answers, goal]
  faults        \* how many of each bounded fault happened

vars == <<term, vote, saved, early, leads, log, disk, match, commit, sent, leaders, committed, gone, heard, doubt, faults>>

Term == 1..MaxTerm
Keeps(rule) == rule \notin Dropped
Max(a, b) == IF a > b THEN a ELSE b
Min(a, b) == IF a < b THEN a ELSE b
Front(s, k) == SubSeq(s, 1, k)
IsPrefix(s, t) == Len(s) <= Len(t) /\ s = Front(t, Len(s))
Common(s, t) == CHOOSE k \in 0..Len(s) : /\ k <= Len(t) /\ Front(s, k) = Front(t, k)
                                         /\ (k < Len(s) /\ k < Len(t)) => s[k + 1] # t[k + 1]

-----------------------------------------------------------------------------
(* Logs and configurations *)

Entry(t, config) == [term |-> t, config |-> config]

LastOf(l) == [term |-> IF l = <<>> THEN 0 ELSE l[Len(l)].term, index |-> Len(l)]

AtLeast(p, q) == p.term > q.term \/ (p.term = q.term /\ p.index >= q.index)

ConfigIndexes(l) == {k \in 1..Len(l) : l[k].config # <<>>}

ConfigIndex(l) == IF ConfigIndexes(l) = {} THEN 0 ELSE CHOOSE k \in ConfigIndexes(l) : \A m \in ConfigIndexes(l) : m <= k

(* In force as soon as it is in the log: one set's name, or two while the configuration is joint. *)
Config(l) == IF ConfigIndexes(l) = {} THEN <<First>> ELSE l[ConfigIndex(l)].config

SetsOf(config) == {config[k] : k \in DOMAIN config}

Voters(config) == UNION {Sets[s].voters : s \in SetsOf(config)}

(* Whose votes, and whose disks, count. *)
Electing(s) == IF Keeps("7 learners do not elect") THEN Sets[s].voters ELSE Replica

Committing(s) == IF Keeps("7 learners do not commit") THEN Sets[s].voters ELSE Replica

Quorums == [s \in DOMAIN Sets |-> {who \in SUBSET Electing(s) : Cardinality(who) = Sets[s].r}]

CommitQuorum(config, who) == \A s \in SetsOf(config) : Cardinality(who \cap Committing(s)) >= Sets[s].w

ElectionQuorum(config, who) == \A s \in SetsOf(config) : Cardinality(who \cap Electing(s)) >= Sets[s].r

(* A member that a change removes may be the only one that can finish it. *)
MayStand(i) ==
  \/ i \in Voters(Config(log[i]))
  \/ ConfigIndex(log[i]) > 0 /\ i \in Voters(Config(Front(log[i], ConfigIndex(log[i]) - 1)))

(* Entry k is the same here and in what term t's leader sent. By log matching one look at the terms is enough. *)
Matches(i, t, k) == IF k = 0 THEN TRUE ELSE k <= Len(log[i]) /\ k <= Len(sent[t]) /\ log[i][k].term = sent[t][k].term

-----------------------------------------------------------------------------
(* Helpers of the actions *)

InDoubt(i) == i \in DOMAIN doubt

Kind(i) == IF InDoubt(i) THEN doubt[i].kind ELSE "whole"

NoAnswer == [kind |-> "none"]

Doubt(kind, boot) == [kind |-> kind, boot |-> boot, answers |-> [i \in Replica |-> NoAnswer], goal |-> [term |-> 0, index |-> 0]]

NoMatch == [i \in Replica |-> 0]

None == <<>>

(* A function without, or with, some of its arguments. *)
Without(f, out) == IF out \cap DOMAIN f = {} THEN f ELSE [i \in DOMAIN f \ out |-> f[i]]

With(f, i, v) == [j \in DOMAIN f \cup {i} |-> IF j = i THEN v ELSE f[j]]

(* Replica i is in term t with vote v, and neither stands nor leads any more. *)
Enter(i, t, v) ==
  /\ term' = [term EXCEPT ![i] = t]
  /\ vote' = [vote EXCEPT ![i] = v]
  /\ early' = Without(early, {i})
  /\ leads' = leads \ {i}
  /\ commit' = Without(commit, {i})
  /\ match' = Without(match, {i})

(* A message of term t reached i. *)
Follow(i, t) == Enter(i, t, IF t > term[i] THEN Nobody ELSE vote[i])

(* The disk of i once its log is synced through k: no less than before, unless that had been truncated. *)
Synced(i, k) == IF IsPrefix(Front(log[i], k), disk[i]) THEN disk[i] ELSE Front(log[i], k)

(* Whether i gives its vote to a log that ends at p. *)
Floor(i) ==
  LET said == {v \in Replica : doubt[i].answers[v].kind # "none"}
  IN  CHOOSE p \in {doubt[i].answers[v].last : v \in said} : \A v \in said : AtLeast(p, doubt[i].answers[v].last)

HasFloor(i) ==
  LET answer == doubt[i].answers
      said == {v \in Replica : answer[v].kind # "none"}
      whole == {v \in said : answer[v].kind = "whole"}
      damaged == {v \in said : answer[v].kind = "damaged"} \cup (IF doubt[i].kind = "damaged" THEN {i} ELSE {})
      alike == \A v \in said : answer[v].config = Config(log[i])
      named == SetsOf(Config(log[i])) \cup UNION {SetsOf(answer[v].config) : v \in said}
  IN  /\ said # {}
      /\ i \in Voters(Config(log[i]))
      /\ \A v \in said : answer[v].term <= term[i]
      /\ alike \/ \A s, t \in named : Sets[s].voters = Sets[t].voters
      /\ \A s \in named :
           LET set == Sets[s]
           IN  \/ alike /\ Cardinality(whole \cap set.voters) >= Cardinality(set.voters) - set.w + 1
               \/ set.voters \subseteq said \cup {i} /\ Cardinality(damaged \cap set.voters) < set.w

AcceptsLog(i, p) ==
  /\ Keeps("4 votes for up-to-date logs only") => AtLeast(p, LastOf(log[i]))
  /\ IF InDoubt(i) THEN HasFloor(i) /\ AtLeast(p, Floor(i)) ELSE TRUE

-----------------------------------------------------------------------------
(* Elections *)

Grants(i, c, t) ==
  /\ i \notin gone
  /\ term[i] < t \/ (term[i] = t /\ vote[i] \in {Nobody, c})
  /\ AcceptsLog(i, LastOf(log[c]))

(*
 * Replica c begins term t as its leader. A no-op comes first if there is room for it: a leader without one commits nothing, but
 * must be a rightful one.
 *)
Lead(c, t, voters) ==
  LET first == IF Len(log[c]) < MaxLog THEN Append(log[c], Entry(t, <<>>)) ELSE log[c]
      out == {c} \cup voters
  IN  /\ early' = Without(early, out)
      /\ leads' = (leads \ voters) \cup {c}
      /\ commit' = With(Without(commit, out), c, 0)
      /\ match' = With(Without(match, out), c, NoMatch)
      /\ log' = [log EXCEPT ![c] = first]
      /\ sent' = [sent EXCEPT ![t] = first]
      /\ leaders' = [leaders EXCEPT ![t] = @ \cup {c}]
      /\ doubt' = [i \in DOMAIN doubt |-> [doubt[i] EXCEPT !.goal = [term |-> t, index |-> Len(log[c])]]]
      /\ UNCHANGED <<saved, disk, committed, gone, heard, faults>>

(* The votes that are enough, and no more: whoever votes without need is only bound by it. *)
Electorates(c) ==
  LET one(s) == {q \cup {c} : q \in {q \in Quorums[s] : c \in Electing(s) => c \in q}}
      config == Config(log[c])
  IN  IF Len(config) = 1 THEN one(config[1]) ELSE {q[1] \cup q[2] : q \in one(config[1]) \X one(config[2])}

Newest == CHOOSE t \in {term[i] : i \in Replica} : \A i \in Replica : term[i] <= t

(* Pre-votes, timers and transfers say when somebody stands: here at any time. Only the order of terms matters, so none is left out. *)
TermsFor(c) == IF c \in gone \/ ~MayStand(c) \/ InDoubt(c) THEN {} ELSE (term[c] + 1)..Min(Newest + 1, MaxTerm)

(* Replica c stands, and who vote for it. *)
Elect(c, t, who) ==
  /\ \A i \in who \ {c} : Grants(i, c, t)
  /\ term' = [i \in Replica |-> IF i \in who THEN t ELSE term[i]]
  /\ vote' = [i \in Replica |-> IF i \in who THEN c ELSE vote[i]]
  /\ Lead(c, t, who)

Stand(c) ==
  /\ \E t \in TermsFor(c) : term' = [term EXCEPT ![c] = t]
  /\ vote' = [vote EXCEPT ![c] = c]
  /\ early' = With(early, c, {c})
  /\ leads' = leads \ {c}
  /\ commit' = Without(commit, {c})
  /\ match' = Without(match, {c})
  /\ UNCHANGED <<saved, log, disk, sent, leaders, committed, gone, heard, doubt, faults>>

Vote(i, c) ==
  /\ i \notin early[c] /\ \E who \in Electorates(c) : early[c] \cup {i} \subseteq who
  /\ Grants(i, c, term[c])
  /\ term' = [term EXCEPT ![i] = term[c]]
  /\ vote' = [vote EXCEPT ![i] = c]
  /\ early' = [Without(early, {i}) EXCEPT ![c] = @ \cup {i}]
  /\ leads' = leads \ {i}
  /\ commit' = Without(commit, {i})
  /\ match' = Without(match, {i})
  /\ UNCHANGED <<saved, log, disk, sent, leaders, committed, gone, heard, doubt, faults>>

Win(c) ==
  /\ early[c] \in Electorates(c)
  /\ Lead(c, term[c], {})
  /\ UNCHANGED <<term, vote>>

-----------------------------------------------------------------------------
(* Replication *)

Add(l, config) ==
  /\ Len(log[l]) < MaxLog
  /\ log' = [log EXCEPT ![l] = Append(@, Entry(term[l], config))]
  /\ sent' = [sent EXCEPT ![term[l]] = log'[l]]
  /\ UNCHANGED <<term, vote, saved, early, leads, disk, match, commit, leaders, committed, gone, heard, doubt, faults>>

Propose(l) == l \in leads /\ Add(l, <<>>)

(* Entry k of term t's leader arrives, and the entry before it agrees: it replaces what conflicts with it. *)
Accept(i, t, k) ==
  /\ i \notin gone /\ i \notin leaders[t]
  /\ IF Keeps("4 entries follow what agrees") THEN Matches(i, t, k - 1) ELSE k - 1 <= Len(log[i])
  /\ IF Keeps("4 truncate at a conflict only") THEN ~Matches(i, t, k) ELSE Matches(i, t, k) => k < Len(log[i])
  /\ log' = [log EXCEPT ![i] = Append(Front(@, k - 1), sent[t][k])]
  /\ Follow(i, t)
  /\ UNCHANGED <<saved, disk, sent, leaders, committed, gone, heard, doubt, faults>>

(* Leader l commits through k what replicas said to hold, itself included where it must count itself: then it has synced. *)
Holders(l, m, k) == {i \in Replica \ {l} : IF Keeps("4 acknowledgements of this term only") THEN m[i] >= k ELSE Max(m[i], heard[i]) >= k}

MayCommit(l, k) == Keeps("3 commit by counting the own term only") => log[l][k].term = term[l]

Longer(l, k) ==
  IF k <= Len(committed) THEN committed
  ELSE committed \o [m \in 1..(k - Len(committed)) |-> [entry |-> log[l][Len(committed) + m], by |-> term[l]]]

(* Replica i says that its disk equals the log of term t's leader, l, through k. *)
Acknowledge(i, l, k) ==
  LET t == term[l]
      m == [match[l] EXCEPT ![i] = k]
  IN  /\ i # l /\ i \notin gone /\ l \in leads /\ t >= term[i]
      /\ Matches(i, t, k)
      /\ term' = [term EXCEPT ![i] = t]
      /\ vote' = [vote EXCEPT ![i] = IF t > term[i] THEN Nobody ELSE @]
      /\ early' = Without(early, {i})
      /\ leads' = leads \ {i}
      /\ match' = [Without(match, {i}) EXCEPT ![l] = m]
      /\ disk' = [disk EXCEPT ![i] = IF Keeps("2 entries on disk before acknowledged") THEN Synced(i, k) ELSE @]
      /\ heard' = IF Keeps("4 acknowledgements of this term only") THEN heard ELSE [heard EXCEPT ![i] = Max(@, k)]
      /\ IF k > commit[l] /\ MayCommit(l, k) /\ CommitQuorum(Config(log[l]), Holders(l, m, k))
         THEN /\ commit' = [Without(commit, {i}) EXCEPT ![l] = k]
              /\ committed' = Longer(l, k)
         ELSE /\ commit' = Without(commit, {i})
              /\ UNCHANGED committed
      /\ UNCHANGED <<saved, log, sent, leaders, gone, doubt, faults>>

(* What follows from the leader's own disk, or from another configuration. *)
Commit(l, k) ==
  LET others == Holders(l, match[l], k)
      self == ~CommitQuorum(Config(log[l]), others)
  IN  /\ MayCommit(l, k)
      /\ CommitQuorum(Config(log[l]), others \cup {l})
      /\ disk' = [disk EXCEPT ![l] = IF self /\ Keeps("2 the leader counts what it synced") THEN Synced(l, k) ELSE @]
      /\ commit' = [commit EXCEPT ![l] = k]
      /\ committed' = Longer(l, k)
      /\ UNCHANGED <<term, vote, saved, early, leads, log, match, sent, leaders, gone, heard, doubt, faults>>

-----------------------------------------------------------------------------
(* Changing voters, W and R *)

Picks(s, n) == {who \in SUBSET Sets[s].voters : Cardinality(who) = n}

Meet(s, n, t, m) == \A p \in Picks(s, n), q \in Picks(t, m) : p \cap q # {}

(* Pairs of sets between which one step is safe: one side was raised before the other is lowered. *)
Overlapping == {p \in (DOMAIN Sets) \X (DOMAIN Sets) :
  LET s == p[1]
      t == p[2]
  IN  Meet(s, Sets[s].w, t, Sets[t].r) /\ Meet(s, Sets[s].r, t, Sets[t].w) /\ Meet(s, Sets[s].r, t, Sets[t].r)}

Change(l, s) ==
  /\ l \in leads /\ s # Config(log[l])[1]
  /\ Cardinality(ConfigIndexes(log[l])) < MaxChanges
  /\ Keeps("6 a change follows a commit of the own term") => commit[l] > 0
  /\ Keeps("6 one change at a time") => Len(Config(log[l])) = 1 /\ ConfigIndex(log[l]) <= commit[l]
  /\ ~Keeps("6 joint") /\ Keeps("6 single steps overlap") => <<Config(log[l])[1], s>> \in Overlapping
  /\ Add(l, IF Keeps("6 joint") THEN <<Config(log[l])[1], s>> ELSE <<s>>)

LeaveJoint(l) ==
  /\ l \in leads /\ Len(Config(log[l])) = 2
  /\ Keeps("6 a joint configuration commits before it is left") => ConfigIndex(log[l]) <= commit[l]
  /\ Add(l, <<Config(log[l])[2]>>)

-----------------------------------------------------------------------------
(* Faults *)

(* Replica i restarts with log l. What messages say of it lives on: votes, acknowledgements, entries. *)
Restart(i, l) ==
  LET kept == IF Keeps("2 term and vote on disk before told") THEN [term |-> term[i], vote |-> vote[i]] ELSE saved[i]
      hard == IF kept.term < LastOf(l).term THEN [term |-> LastOf(l).term, vote |-> Nobody] ELSE kept
  IN  /\ Enter(i, hard.term, hard.vote)
      /\ log' = [log EXCEPT ![i] = l]
      /\ disk' = [disk EXCEPT ![i] = l]
      /\ UNCHANGED <<saved, sent, leaders, committed, heard>>

(* What may be found after a crash: anything between what is certain and everything; a truncation may be undone. *)
Survivors(i) == {disk[i]} \cup {Front(log[i], k) : k \in Common(log[i], disk[i])..Len(log[i])}

(* A crash that loses nothing is the same as silence. *)
Crash(i) ==
  /\ i \notin gone
  /\ \E l \in IF Keeps("2 term and vote on disk before told") THEN Survivors(i) \ {log[i]} ELSE Survivors(i) : Restart(i, l)
  /\ doubt' = IF InDoubt(i) THEN With(doubt, i, Doubt(doubt[i].kind, term'[i])) ELSE doubt
  /\ UNCHANGED <<gone, faults>>

(* The end of the log is unreadable. Nothing that was synced is missing, but nobody can know that here. *)
Tear(i) ==
  /\ i \notin gone /\ faults.torn < MaxTorn /\ ~InDoubt(i)
  /\ \E l \in Survivors(i) : Restart(i, l)
  /\ doubt' = With(doubt, i, Doubt("torn", term'[i]))
  /\ faults' = [faults EXCEPT !.torn = @ + 1]
  /\ UNCHANGED gone

(* Entries that were synced, and perhaps acknowledged, are lost. *)
Damage(i) ==
  /\ i \notin gone /\ faults.damages < MaxDamages /\ disk[i] # <<>>
  /\ \E k \in 0..(Len(disk[i]) - 1) : Restart(i, Front(disk[i], k))
  /\ doubt' = IF Keeps("10 damage is not absence") THEN With(doubt, i, Doubt("damaged", term'[i])) ELSE doubt
  /\ faults' = [faults EXCEPT !.damages = @ + 1]
  /\ UNCHANGED gone

(* A blank disk. Whoever comes back on it has another id, which is a spare's of Replica, if there is one. *)
Wipe(i) ==
  /\ i \notin gone /\ faults.wipes < MaxWipes
  /\ faults' = [faults EXCEPT !.wipes = @ + 1]
  /\ Enter(i, 0, Nobody)
  /\ log' = [log EXCEPT ![i] = <<>>]
  /\ disk' = [disk EXCEPT ![i] = <<>>]
  /\ gone' = IF Keeps("7 a wiped disk is a new replica") THEN gone \cup {i} ELSE gone
  /\ doubt' = Without(doubt, {i})
  /\ UNCHANGED <<saved, sent, leaders, committed, heard>>

-----------------------------------------------------------------------------
(* Rule 10: the end of a doubt *)

(* Leader l tells d where its log ends. Whoever was in doubt when l stood may have asked then (see Elect). *)
AskLeader(d, l) ==
  /\ d # l /\ d \notin gone /\ InDoubt(d) /\ l \in leads /\ doubt[d].goal.term < term[l]
  /\ LET index == IF Keeps("10 doubt ends where the leader's log does") THEN Len(log[l]) ELSE Common(log[l], disk[l])
     IN  doubt' = [doubt EXCEPT ![d].goal = [term |-> term[l], index |-> index]]
  /\ UNCHANGED <<term, vote, saved, early, leads, log, disk, match, commit, sent, leaders, committed, gone, heard, faults>>

(* Voter v says where its log ends, from a term above all in which d may have acknowledged what it lost. *)
AskVoter(d, v) ==
  /\ d # v /\ d \notin gone /\ v \notin gone /\ InDoubt(d) /\ v \in Voters(Config(log[d]))
  /\ LET t == IF Keeps("10 answers come from a newer term") THEN Max(term[v], Max(term[d], doubt[d].boot + 1)) ELSE term[v]
     IN  /\ t <= MaxTerm
         /\ IF t > term[v] THEN v \notin leads /\ Follow(v, t) ELSE UNCHANGED <<term, vote, early, leads, commit, match>>
         /\ doubt' = [doubt EXCEPT ![d].answers[v] = [kind |-> Kind(v), term |-> t, last |-> LastOf(log[v]), config |-> Config(log[v])]]
  /\ UNCHANGED <<saved, log, disk, sent, leaders, committed, gone, heard, faults>>

(* The answer of v arrives: d knows of its term. *)
HearVoter(d, v) ==
  /\ InDoubt(d) /\ doubt[d].answers[v].kind # "none" /\ doubt[d].answers[v].term > term[d]
  /\ Follow(d, doubt[d].answers[v].term)
  /\ UNCHANGED <<saved, log, disk, sent, leaders, committed, gone, heard, doubt, faults>>

RepairedByLeader(d) ==
  LET goal == doubt[d].goal
  IN  goal.term = term[d] /\ term[d] > 0 /\ Matches(d, goal.term, goal.index)

EndDoubt(d) ==
  /\ d \notin gone /\ InDoubt(d)
  /\ \/ RepairedByLeader(d) /\ disk' = [disk EXCEPT ![d] = Synced(d, doubt[d].goal.index)]
     \/ HasFloor(d) /\ AtLeast(LastOf(log[d]), Floor(d)) /\ disk' = [disk EXCEPT ![d] = log[d]]
  /\ doubt' = Without(doubt, {d})
  /\ UNCHANGED <<term, vote, saved, early, leads, log, match, commit, sent, leaders, committed, gone, heard, faults>>

-----------------------------------------------------------------------------

Init ==
  /\ term = [i \in Replica |-> 0]
  /\ vote = [i \in Replica |-> Nobody]
  /\ saved = IF Keeps("2 term and vote on disk before told") THEN None ELSE [i \in Replica |-> [term |-> 0, vote |-> Nobody]]
  /\ early = None
  /\ leads = {}
  /\ log = [i \in Replica |-> <<>>]
  /\ disk = [i \in Replica |-> <<>>]
  /\ match = None
  /\ commit = None
  /\ sent = [t \in Term |-> <<>>]
  /\ leaders = [t \in Term |-> {}]
  /\ committed = <<>>
  /\ gone = {}
  /\ heard = IF Keeps("4 acknowledgements of this term only") THEN None ELSE NoMatch
  /\ doubt = None
  /\ faults = [wipes |-> 0, damages |-> 0, torn |-> 0]

Next ==
  \/ IF EarlyVotes
     THEN \/ \E c \in Replica : Stand(c)
          \/ \E c \in DOMAIN early : Win(c) \/ \E i \in Replica \ {c} : Vote(i, c)
     ELSE \E c \in Replica : \E t \in TermsFor(c) : \E who \in Electorates(c) : Elect(c, t, who)
  \/ \E i \in Replica :
       \/ Propose(i)
       \/ \E t \in Max(term[i], 1)..MaxTerm : \E k \in 1..Len(sent[t]) : Accept(i, t, k)
       \/ \E l \in leads : \E k \in (match[l][i] + 1)..Len(log[i]) : Acknowledge(i, l, k)
       \/ Crash(i) \/ Tear(i) \/ Damage(i) \/ Wipe(i) \/ EndDoubt(i)
       \/ \E j \in Replica : AskLeader(i, j) \/ AskVoter(i, j) \/ HearVoter(i, j)
  \/ \E l \in leads :
       \/ \E k \in (commit[l] + 1)..Len(log[l]) : Commit(l, k)
       \/ \E s \in Targets : Change(l, s)
       \/ LeaveJoint(l)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What must hold *)

OneLeaderPerTerm == \A t \in Term : Cardinality(leaders[t]) <= 1

(* Every leader has all that was committed before its term. *)
LeaderCompleteness ==
  \A l \in leads :
    \A k \in DOMAIN committed : committed[k].by < term[l] => k <= Len(log[l]) /\ log[l][k] = committed[k].entry

(* What any leader commits is what was committed. So all state machines apply the same entries. *)
CommitsAgree == \A l \in leads : \A k \in 1..commit[l] : log[l][k] = committed[k].entry

(* Same index and term: same entry, and the same before it. *)
LogsMatch ==
  \A i, j \in Replica : \A k \in 1..Len(log[i]) :
    (k <= Len(log[j]) /\ log[i][k].term = log[j][k].term) => Front(log[i], k) = Front(log[j], k)

(* Rules 3 and 9: a read that R voters confirm sees all that was committed before it began. *)
ReadsAreCurrent ==
  \A l \in leads :
    /\ Keeps("3 reads wait for a commit of the own term") => commit[l] > 0
    /\ Keeps("9 reads are confirmed by R") =>
         ElectionQuorum(Config(log[l]), {l} \cup {i \in Replica \ gone : term[i] <= term[l] /\ ~InDoubt(i)})
    => commit[l] = Len(committed)

(* While voters, W and R stay: what is committed is on W disks, but for those that were damaged or wiped. *)
OnEnoughDisks ==
  (MaxChanges = 0) =>
    LET holders == {i \in Replica : \A k \in DOMAIN committed : k <= Len(disk[i]) /\ disk[i][k] = committed[k].entry}
    IN  Cardinality(holders \cap Sets[First].voters) + faults.damages + faults.wipes >= Sets[First].w

-----------------------------------------------------------------------------
(* Which states TLC takes for the same: what nobody can tell apart any more is left out. *)

Alive == Replica \ gone

Seen ==
  LET past(t) == \A i \in Alive : term[i] > t \/ i \in leaders[t]
      settled(t) == \A i \in Alive : term[i] >= t /\ ~(i \in DOMAIN early /\ term[i] = t)
  IN  << term,
         [i \in Replica |-> IF settled(term[i]) THEN Nobody ELSE vote[i]],
         saved, early, leads, log, disk, match, commit,
         [t \in Term |-> IF past(t) THEN <<>> ELSE sent[t]],
         [t \in Term |-> IF past(t) THEN {} ELSE leaders[t]],
         [k \in DOMAIN committed |-> [committed[k] EXCEPT !.by = IF settled(@) THEN 0 ELSE @]],
         gone, heard, doubt, faults >>
=============================================================================
