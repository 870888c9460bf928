"""Teaching the region generator about one picture: its first word is the evidence, previews correct it.

What is minimised is E_p[L] + tau * KL(p || p_evidence) over the candidate regions of the picture, with p
the generator's distribution and L the losses of those previewed, standardised. Its optimum is
p ~ p_evidence * exp(-L / tau): Bayes' rule with the evidence as the prior. A region that was not previewed
counts as average: nothing is known against it, and nothing for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .learning import gumbel_noise, straight_through
from .losses import LossTerms, LossWeights
from .network import RegionGenerator

TAU = 4.0  # standard deviations of the loss that are worth a nat of evidence


class GeneratorTrainer:
    """A region generator in front of one picture's candidates.

    features [D, h, w]; cells [N, 4] the candidates in cells of them; numbers [N, K] what is known of
    each; log_evidence [N] in nats. `learning` is "exact", "gumbel" or "off".
    """

    def __init__(
        self,
        module: RegionGenerator,
        features: Tensor,
        cells: Tensor,
        numbers: Tensor,
        log_evidence: Tensor,
        *,
        lr: float,
        steps: int,
        learning: str,
        seed: int,
    ) -> None:
        self.module, self.learning, self.steps = module, learning, steps
        device = next(module.parameters()).device
        with torch.inference_mode(False), torch.no_grad():
            self.numbers = numbers.detach().clone().float().to(device)
            self.log_evidence = log_evidence.detach().clone().float().to(device)
            # nothing in pooling is learned: once is enough
            self.pooled = module.pool_boxes(features.detach().clone().to(device), cells.detach().clone().to(device))
            self.optimizer = torch.optim.Adam(module.parameters(), lr=lr)
        self.noise = torch.Generator("cpu").manual_seed(seed)

    def _logits(self) -> Tensor:
        return self.log_evidence + self.module.judge_pooled(self.pooled, self.numbers).flatten()

    @torch.no_grad()
    def log_probs(self) -> Tensor:
        """Log-probabilities [N] over the candidates, on the CPU."""
        return self._logits().log_softmax(0).cpu()

    def learn(self, previewed: Sequence[int], losses: Tensor) -> float:
        """Teach it the losses [n], standardised, of the candidates `previewed`; E_p[L] after that.

        Works under `torch.inference_mode()`, which is left for the duration.
        """
        with torch.inference_mode(False), torch.enable_grad():
            known = torch.zeros(len(self.log_evidence), device=self.log_evidence.device)
            known[list(previewed)] = losses.detach().clone().to(known)
            prior = self.log_evidence.log_softmax(0)
            for _ in range(self.steps if self.learning != "off" else 0):
                log_probs = self._logits().log_softmax(0)
                objective = self._expected(log_probs, known) + TAU * (log_probs.exp() * (log_probs - prior)).sum()
                self.optimizer.zero_grad()
                objective.backward()
                self.optimizer.step()
        return float((self.log_probs().exp() * known.cpu()).sum())

    def _expected(self, log_probs: Tensor, known: Tensor) -> Tensor:
        """E_p[L]: exactly, or of one region drawn by straight-through Gumbel-softmax."""
        if self.learning != "gumbel":
            return (log_probs.exp() * known).sum()
        soft = (log_probs + gumbel_noise(log_probs.shape, self.noise).to(log_probs)).softmax(0)
        return (straight_through(soft) * known).sum()


def standardised_losses(terms: Sequence[LossTerms], weights: LossWeights) -> Tensor:
    """The previews' losses so far [n]: each term in standard deviations among them, weighed, and their
    sum in its own standard deviations.

    So no scale of a CLIP model matters. One preview alone is average: 0.
    """
    total = torch.zeros(sum(len(one.clip) for one in terms))
    for name in ("clip", "direction", "structure"):
        values = torch.cat([getattr(one, name) for one in terms]).cpu().float()
        total += getattr(weights, name) * _standardised(values)
    return _standardised(total)


def numbers_of(losses: Tensor) -> Tensor:
    """losses [n], where one that is no number (an edit that a model spoilt) is as bad as the worst."""
    sound = losses.isfinite()
    worst = losses[sound].max() if bool(sound.any()) else losses.new_zeros(())
    return torch.where(sound, losses, worst)


def _standardised(values: Tensor) -> Tensor:
    values = numbers_of(values)
    spread = values.std(correction=0)
    return (values - values.mean()) / spread if float(spread) > 0 else torch.zeros_like(values)
