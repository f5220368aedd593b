package registry

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// arenaCentre is the Elo rating that scores one half.
const arenaCentre = 1020

// metric says how one metric enters the composite.
type metric struct {
	name   string
	weight float64
	score  func(float64) float64
}

var compositeMetrics = []metric{
	{model.MetricMMLU, 1, percent},
	{model.MetricTruthfulQA, 0.5, percent},
	{model.MetricHellaSwag, 0.5, percent},
	{model.MetricMTBench, 1, func(v float64) float64 { return v / 10 }},
	{model.MetricArenaElo, 2, func(v float64) float64 { return 1 / (1 + math.Pow(10, (arenaCentre-v)/400)) }},
}

func percent(v float64) float64 { return v / 100 }

// Composite works out the quality in [0,1] from the known metrics; known is
// false when there is none to go by. The package comment states the formula.
func Composite(metrics map[string]model.Figure) (quality float64, known bool) {
	if c, ok := metrics[model.MetricComposite]; ok {
		return clamp(c.Value), true
	}
	var sum, weight float64
	for i := range compositeMetrics {
		m := &compositeMetrics[i]
		if f, ok := metrics[m.name]; ok {
			sum += m.weight * clamp(m.score(f.Value))
			weight += m.weight
		}
	}
	if weight == 0 {
		return 0, false
	}
	return sum / weight, true
}

func clamp(v float64) float64 { return min(1, max(0, v)) }
