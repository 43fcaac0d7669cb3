------------------------------- MODULE PreVote ------------------------------
(***************************************************************************)
(* Rule 5, apart from the others because no safety rests on it: a leader   *)
(* that reaches W voters, itself included, is not deposed by those whom it *)
(* does not reach, whatever comes through from them; and nobody is elected *)
(* who could not commit.                                                   *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS Replica, W, R, MaxTerm, Dropped

VARIABLES
  core,    \* those between whom all messages pass, the leader among them: W voters, no more
  alive,   \* the leader sends heartbeats
  leads,   \* and has heard of no higher term
  term,    \* everyone's; the leader's is 1
  backing  \* of those who stood: with whom they could talk then, both ways

vars == <<core, alive, leads, term, backing>>

Keeps(rule) == rule \notin Dropped
Max(a, b) == IF a > b THEN a ELSE b

Init ==
  /\ core \in {some \in SUBSET Replica : Cardinality(some) = W}
  /\ alive = TRUE
  /\ leads = TRUE
  /\ term \in {t \in [Replica -> 0..1] : \A i \in core : t[i] = 1}
  /\ backing = {}

(* The core hears its leader within every election timeout, so it does not stand, and grants no pre-vote. *)
Shields(i) == alive /\ leads /\ i \in core /\ Keeps("5 who hears a leader grants no pre-vote")

(* Links of all others come and go, one way or both: any set of answers may arrive. *)
Stand(i, answers) ==
  LET with == answers \cup {i}
      granted == {j \in with : ~Shields(j)}
      enough == IF Keeps("5 a pre-vote needs max(W, R)") THEN Max(W, R) ELSE R
  IN  /\ ~(alive /\ leads /\ i \in core) /\ term[i] < MaxTerm
      /\ Cardinality(granted) >= IF Keeps("5 pre-vote before a vote") THEN enough ELSE 1
      /\ term' = [term EXCEPT ![i] = @ + 1]
      /\ backing' = IF Cardinality(granted) >= R THEN backing \cup {with} ELSE backing
      /\ UNCHANGED <<core, alive, leads>>

(* Any message tells the leader of a higher term, an answer to its own too. *)
Hear(i) ==
  /\ leads /\ term[i] > 1
  /\ leads' = FALSE
  /\ UNCHANGED <<core, alive, term, backing>>

Fail ==
  /\ alive /\ leads
  /\ alive' = FALSE
  /\ UNCHANGED <<core, leads, term, backing>>

Next == Fail \/ \E i \in Replica : Hear(i) \/ \E answers \in SUBSET (Replica \ {i}) : Stand(i, answers)

Spec == Init /\ [][Next]_vars

Undisturbed == alive => leads

ElectedCanCommit == \A with \in backing : Cardinality(with) >= W
=============================================================================
