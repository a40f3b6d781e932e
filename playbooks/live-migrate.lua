-- live-migrate: move a running domain to another host without stopping it.
--
-- What you would do by hand with ssh-copy-id, firewall-cmd, virsh migrate and a sed that takes the key away again.
-- Copy it with `drover copy live-migrate DIR` and change it: every line below is yours to reorder or leave out.
-- The words (migrate.*, preflight.*) are in stdlib/migrate.lua and stdlib/preflight.lua; each step that grants access
-- is a lease, which is taken back at the end of the run whatever happens. Tested by tests/lab/suites/live_migrate.

return playbook {
  name = "live-migrate",
  summary = "Move a running domain to another host without stopping it.",

  description = [[
Both hosts are checked first; nothing is changed while anything stands in the way. One key is made for
this run, restricted, expiring, and taken back at its end. After the move both hosts are asked what runs
where: the answer, not an exit code, decides how the run ends. If it fails or is interrupted, everything
it did is undone and the domain runs on the source as before. The source keeps the disks, and its
definition too, unless you say --undefine-source.]],

  examples = {
    "drover check live-migrate --domain web1 --to kvm2",
    "drover run live-migrate --domain web1 --to kvm2 --plan",
    "drover run live-migrate --domain web1 --to kvm2 --undefine-source",
    "drover run live-migrate --domain web1 --from kvm1 --to kvm2 --channel direct --bandwidth 100MiB",
  },

  params = {
    { "domain", "name", doc = "Domain to move.", complete = "domains" },
    { "to", "host", doc = "Host that receives it.", complete = "hosts" },
    { "from", "host", doc = "Host that runs it now.", default = "localhost", complete = "hosts" },

    { "channel", "choice", choices = migrate.channels, default = "ssh",
      doc = "How the bytes travel. ssh: encrypted, port 22 only. direct: plain TCP to one port, opened for the "
        .. "source. tls: the same, encrypted with the hosts' certificates. tunnel: inside libvirt's connection." },
    { "mode", "choice", choices = { "p2p", "managed" }, default = "p2p",
      doc = "p2p: the source's daemon leads, and goes on if drover dies; the guest then waits paused at the "
        .. "destination until drover recover starts it. managed: drover leads." },
    { "storage", "choice", choices = { "auto", "shared", "copy" }, default = "auto",
      doc = "Whether both hosts see the same disks; auto finds out by experiment. shared is your word where that "
        .. "says nothing, as for a device without an identity." },
    { "copy-disks", "list", of = "name", default = {}, doc = "Copy just these disks, such as vda,vdb." },
    { "port", "port", required = false, doc = "Port for channel direct or tls, and the next one too when disks are "
      .. "copied; free ones without it." },
    { "migrate-address", "text", default = "", doc = "Destination's address, as the source reaches it." },
    { "listen-address", "text", default = "", doc = "Address that the destination listens on." },

    { "persistent", "boolean", default = true, doc = "Define the domain at the destination." },
    { "undefine-source", "boolean", default = false, doc = "Remove the source's definition once all is verified." },
    { "suspend", "boolean", default = false, doc = "Leave the domain paused at the destination." },
    { "new-name", "text", default = "", doc = "Name at the destination." },
    { "network", "map", default = {}, doc = "Other networks or bridges there, as in default=lan,br0=br1." },
    { "cdrom", "choice", choices = { "keep", "eject", "refuse" }, default = "keep",
      doc = "An ISO in the drive: it must be there too, is left out, or stops the run." },
    { "autostart", "choice", choices = { "carry", "off" }, default = "carry", doc = "The autostart flag." },
    { "unsafe", "boolean", default = false,
      doc = "Skip libvirt's check of cache modes. Gives up the certainty that both hosts see the same disk content." },

    { "bandwidth", "size", default = "0",
      doc = "At most so many bytes a second, in whole MiB, for memory, and as many again for each disk that is copied; "
        .. "0: no limit." },
    { "parallel", "integer", default = 1, least = 1, most = 64, doc = "Connections for memory (not with ssh)." },
    { "compression", "choice", choices = { "none", "xbzrle", "mt", "zstd" }, default = "none",
      doc = "Compress memory. zstd needs --parallel and libvirt 9.1 or newer (Debian 12 has 9.0)." },
    { "auto-converge", "boolean", default = false, doc = "Slow the guest down if it writes faster than it moves." },
    { "post-copy", "boolean", default = false, doc = "Switch to post-copy when the move does not converge." },
    { "downtime", "duration", default = "0ms", doc = "How long the guest may stand still; 0: QEMU's own limit." },
    { "timeout", "duration", default = "30m", doc = "Act on a move that takes longer." },
    { "timeout-action", "choice", choices = { "abort", "suspend", "post-copy" }, default = "abort",
      doc = "What to do then. abort: the guest stays at the source. suspend: it stands still until the move is over. "
        .. "post-copy: it runs at the destination at once and gets its memory after; no way back." },
    { "policy", "choice", choices = { "none", "minimal-downtime", "suspend-workload", "post-copy" },
      required = false,
      doc = "What to do when the guest writes faster than it moves; all but none first allow longer standstills, up to "
        .. "0.5 s. minimal-downtime: then give up, after 10 rounds without progress. suspend-workload: let the guest "
        .. "stand still, after 5. post-copy: switch to it, after 4; the default with --post-copy, else "
        .. "minimal-downtime. none: only --timeout counts. The steps are in stdlib/migrate/converge.lua." },
    { "key", "choice", choices = { "ed25519", "rsa4096", "existing", "none" }, default = "ed25519",
      doc = "The run's own key; existing: the one that the source has; none: no ssh from the source at all, for "
        .. "--mode managed with --channel direct or tls only." },
  },

  check = function(ctx, p)
    local move = migrate.open(ctx, p)
    preflight.all(move)
  end,

  run = function(ctx, p)
    local move = migrate.open(ctx, p)
    local to = move.destination.name

    ctx:step("lock " .. p.domain .. " on both hosts", function() migrate.lock(move) end)
    ctx:step("record what must be the same afterwards", function() migrate.record(move) end)
    ctx:step("prepare disks on " .. to, function() migrate.prepare_disks(move) end)
    ctx:step("open the channel (" .. p.channel .. ")", function() migrate.open_channel(move) end)

    ctx:step("move " .. p.domain .. " to " .. to, function() migrate.go(move) end)
    ctx:commit()  -- both hosts were asked: it runs on the destination, and from here on nothing is undone

    ctx:step("carry autostart", function() migrate.carry_autostart(move) end)
    ctx:step("compare with the record", function() migrate.verify(move) end)
    if p.undefine_source then
      ctx:step("remove the definition on " .. move.source.name, function() migrate.undefine_source(move) end)
    end
    migrate.summarise(move)
  end,
}
