// What MetalLB's speakers know of each other by: memberlist with its LAN defaults, nothing else.
//
//	memberlist NAME ADDRESS PEER...
//
// Prints a line for each member that joins or is dead, and when, on the monotonic clock of the
// system in seconds: dead is when a speaker would elect anew.
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/memberlist"
	"golang.org/x/sys/unix"
)

type said struct{}

func tell(what string, node *memberlist.Node) {
	var at unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &at)
	fmt.Printf("%s %s %.6f\n", what, node.Name, float64(at.Nano())/1e9)
}

func (said) NotifyJoin(node *memberlist.Node)   { tell("join", node) }
func (said) NotifyLeave(node *memberlist.Node)  { tell("dead", node) }
func (said) NotifyUpdate(node *memberlist.Node) {}

func main() {
	config := memberlist.DefaultLANConfig()
	config.Name, config.BindAddr, config.AdvertiseAddr = os.Args[1], os.Args[2], os.Args[2]
	config.Events, config.LogOutput = said{}, io.Discard
	list, err := memberlist.Create(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		_, _ = list.Join(os.Args[3:])
		time.Sleep(time.Second)
	}
}
