"""The drill of one look: every fall computed, the calls to be tried on a node, and what the node said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.domain.decision import Goal
from keeper.domain.errors import KeeperError
from keeper.domain.fire_drill import FALLS, DrillCheck, DrillTrial, FallOutcome, FireDrill
from keeper.domain.hindrances import Hindrance
from keeper.domain.observation import Observation
from keeper.domain.placement import Placement
from keeper.domain.policy import Policy
from keeper.drill.emergency import emergency_call, recovered_at
from keeper.drill.relaxed import explained
from keeper.drill.scene import Scene, fallen, scene_of, traded


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """``trials`` are the calls of the falls that are survived by one. ``note`` says why there are no outcomes."""

    outcomes: tuple[FallOutcome, ...]
    trials: tuple[DrillTrial, ...]
    note: str = ""


def rehearse(observation: Observation, policy: Policy) -> Rehearsal:
    """Of the vault as it is."""
    try:
        return _rehearsed(scene_of(observation, policy))
    except KeeperError as error:
        return Rehearsal((), (), note=f"nothing could be computed: {error.message}")


def rehearse_traded(
    observation: Observation, policy: Policy, goal: Goal, placement: Placement | None = None
) -> tuple[FallOutcome, ...]:
    """Of the vault after a trade to the goal and its placement. Empty where nothing could be computed."""
    try:
        return _rehearsed(traded(scene_of(observation, policy), goal, placement)).outcomes
    except KeeperError:
        return ()


def confirmed(rehearsal: Rehearsal, checks: Sequence[DrillCheck], note: str = "") -> FireDrill:
    """The drill with the node's word on each trial. Without it the computed outcome counts, and ``note`` says why."""
    by_fall = {check.fall: check for check in checks}
    levels = {trial.fall: trial.recovered_at for trial in rehearsal.trials}
    return FireDrill(
        outcomes=tuple(
            _judged(outcome, by_fall[outcome.fall], levels[outcome.fall])
            if outcome.fall in by_fall
            else outcome
            for outcome in rehearsal.outcomes
        ),
        checked=bool(rehearsal.outcomes) and all(fall in by_fall for fall in levels),
        note=note or rehearsal.note,
    )


def _rehearsed(present: Scene) -> Rehearsal:
    outcomes, trials = [], []
    for fall in FALLS:
        scene = fallen(present, fall)
        tried = explained(scene, emergency_call(scene))
        plan = tried.plan
        gas_limit = plan.gas_limit if plan is not None else 0
        outcomes.append(
            FallOutcome(
                fall=fall,
                health_factor=scene.observation.held.health_factor,
                steps=len(plan.steps) if plan is not None else 0,
                gas_limit=gas_limit,
                fee_wei=gas_limit * scene.snapshot.block.base_fee_wei,
                ends_at=plan.expected.health_factor if plan is not None else 0.0,
                hindrance=tried.hindrance,
                detail=tried.detail,
            )
        )
        if plan is not None and tried.hindrance is None:
            trials.append(DrillTrial(fall, scene.snapshot, plan, recovered_at=recovered_at(scene)))
    return Rehearsal(tuple(outcomes), tuple(trials))


def _judged(outcome: FallOutcome, check: DrillCheck, level: float) -> FallOutcome:
    if check.revert:
        return replace(
            outcome, check=check, hindrance=Hindrance.REVERT, detail=f"the call reverts with {check.revert}"
        )
    if check.health_factor < level:
        detail = (
            f"on the node the call ends at a health factor of {check.health_factor:.3f}, at least {level:.3f}"
        )
        return replace(outcome, check=check, hindrance=Hindrance.REVERT, detail=detail)
    return replace(outcome, check=check)
