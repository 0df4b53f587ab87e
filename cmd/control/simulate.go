package main

import (
	"time"

	"github.com/signalbox-io/signalbox/api"
	"github.com/signalbox-io/signalbox/internal/admission"
	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// simulate asks the brokers' own judge.
func simulate(facts tenants.LoginFacts, in api.SimulationRequest) (api.Simulation, error) {
	account, err := claims.AccountClaims(facts.AccountJWT)
	if err != nil {
		return api.Simulation{}, err
	}
	q := admission.Question{
		Account: account, Pages: facts.Pages, User: facts.User.SignedClaims(facts.Role, facts.IssuedAt), DeviceLogin: facts.DeviceLogin, ByNkey: facts.ByNkey,
		ConnectionType: string(claims.Standard), At: time.Now(), Action: admission.Action(in.Action),
	}
	if in.ConnectionType != nil {
		q.ConnectionType = string(*in.ConnectionType)
	}
	if in.Address != nil {
		q.Host = *in.Address
	}
	if in.At != nil {
		q.At = *in.At
	}
	if in.Subject != nil {
		q.Subject = *in.Subject
	}
	if in.Queue != nil {
		q.Queue = *in.Queue
	}
	return simulationOf(admission.Simulate(q)), nil
}

func simulationOf(a admission.Answer) api.Simulation {
	out := api.Simulation{Allowed: a.Allowed, Steps: []api.SimulationStep{}, Filtered: []api.SimulationDecision{}}
	if !a.Allowed {
		reason := string(a.Reason)
		out.Reason, out.Detail = &reason, &a.Detail
		if a.Reason == admission.PublishDenied || a.Reason == admission.SubscribeDenied {
			out.Explanation = &a.Detail
		}
	}
	if a.Decision != nil {
		decision := decisionOf(*a.Decision)
		out.DecidedBy = &decision
	}
	for _, s := range a.Steps {
		out.Steps = append(out.Steps, api.SimulationStep{Check: s.Check, Outcome: api.SimulationStepOutcome(s.Outcome), Detail: s.Detail})
	}
	for _, d := range a.Filtered {
		out.Filtered = append(out.Filtered, decisionOf(d))
	}
	return out
}

func decisionOf(d admission.Decision) api.SimulationDecision {
	return api.SimulationDecision{Check: d.Check, Source: api.SimulationDecisionSource(d.Source), Pointer: d.Pointer, Rule: d.Rule, Subject: d.Subject}
}
