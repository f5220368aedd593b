package cost

import (
	"math"

	"github.com/cartrita/cartrita/model"
)

// deviceRate is the price of hardware per 10⁹ tokens, in nano-units of the
// pricing's currency.
func deviceRate(p *model.Pricing, throughput float64) rate {
	if declared, ok := p.MachineThroughput(); ok {
		throughput = declared
	}
	if !(throughput > 0) || *p.Hourly < 0 {
		return rate{}
	}
	perHour := (float64(*p.Hourly) + powerPerHour(p)) * float64(max(p.Devices, 1)) *
		factor(p.CapacityShare) * factor(p.OverheadFactor) * factor(p.MoEFactor)
	if p.AmortiseIdle {
		throughput *= factor(p.Utilisation)
	}
	v := math.Round(perHour * 1e9 / (throughput * 3600))
	if !(v >= 0) {
		return rate{}
	}
	if v >= maxMoney {
		return rate{nano: maxMoney, known: true}
	}
	return rate{nano: uint64(v), known: true}
}

// powerPerHour is what the electricity of one device costs in an hour.
func powerPerHour(p *model.Pricing) float64 {
	if p.Watts == nil || p.PowerPrice == nil {
		return 0
	}
	return *p.Watts / 1000 * float64(*p.PowerPrice)
}

func factor(f *float64) float64 {
	if f == nil {
		return 1
	}
	return *f
}
