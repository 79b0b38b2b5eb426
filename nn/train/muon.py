# SPDX-License-Identifier: ISC
"""The optimizer: Muon for the convolutions and the recurrent unit, AdamW for the rest.

Muon takes the momentum of the gradient of a matrix, makes it orthogonal (all its singular values nearly 1), and moves
the weights by that: directions which the gradient shows rarely are learnt as fast as those that it shows all the time
(Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024). A step is as long as one of Adam's, so
that both take the same learning rate (Liu et al., "Muon is scalable for LLM training", arXiv 2502.16982, section 2.2)."""
import torch

MOMENTUM = 0.95  # of Muon
BETAS = 0.9, 0.999  # of AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019)


def orthogonal(x, steps=5):
    """Moves the singular values of a matrix to between about 0.7 and 1.2, by an iteration of Newton's kind (Jordan et al.)."""
    x = x / (x.norm() + 1e-7)
    wide = x if x.shape[0] <= x.shape[1] else x.T
    for _ in range(steps):
        a = wide @ wide.T
        wide = 3.4445 * wide + (2.0315 * a @ a - 4.775 * a) @ wide
    return wide if x.shape[0] <= x.shape[1] else wide.T


def direction(gradient, matrices):
    """Where to move a weight, 1 in root mean square. matrices: how many lie in it one below the other."""
    parts = []
    for part in gradient.chunk(matrices):
        rows = part.reshape(len(part), -1)
        parts.append((orthogonal(rows) * max(rows.shape) ** 0.5).reshape(part.shape))
    return torch.cat(parts)


class Muon(torch.optim.Optimizer):
    def __init__(self, net, rate, weight_decay):
        super().__init__(net.parameters(), {'lr': rate, 'weight_decay': weight_decay})
        # How many each weight holds: one for each gate or group. Not the last layer's, whose rows are outputs that have
        # little in common.
        self.matrices = {p: 3 if isinstance(module, torch.nn.GRU) else module.groups for layer in net.modules_[:-1]
                         for module in layer.modules() for p in module.parameters(recurse=False) if p.dim() > 1}

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group['params']:
                if p.grad is None:
                    continue
                p.mul_(1 - group['lr'] * group['weight_decay'])
                move = self.by_muon if p in self.matrices else self.by_adam
                p.add_(move(p, self.state[p]), alpha=-group['lr'])

    def by_muon(self, p, state):
        if not state:
            state['momentum'] = torch.zeros_like(p)
        momentum = state['momentum'].lerp_(p.grad, 1 - MOMENTUM)
        return direction(p.grad.lerp(momentum, MOMENTUM), self.matrices[p])

    def by_adam(self, p, state):
        if not state:
            state.update(step=0, mean=torch.zeros_like(p), square=torch.zeros_like(p))
        state['step'] += 1
        mean = state['mean'].lerp_(p.grad, 1 - BETAS[0]) / (1 - BETAS[0] ** state['step'])
        square = state['square'].lerp_(p.grad.square(), 1 - BETAS[1]) / (1 - BETAS[1] ** state['step'])
        return mean / (square.sqrt() + 1e-8)
