#!/bin/sh
# The first process of a device: builds its root on a tmpfs and waits there for the end.
#   root.sh MOUNTPOINT HOSTNAME SIZE [BIND...]
# Programs are the host's; everything that can be written is the device's own and goes with it.
# /usr/bin and /usr/local/bin are folders of links, so that a program can be added or be missing.
set -e
root=$1 name=$2 size=$3
shift 3

echo "$name" >/proc/sys/kernel/hostname
mount -t tmpfs -o "size=$size,mode=755" tmpfs "$root"
cd "$root"

bind() { # what is at $1 on the host, at the same place here, to read
  if [ -d "$1" ]; then mkdir -p ".$1"; else mkdir -p ".${1%/*}" && touch ".$1"; fi
  mount --rbind "$1" ".$1"
  mount -o remount,bind,ro ".$1"
}

links() { # a folder of links to the programs of host folder $1, those that match $2
  mkdir -p ".$1" ".${1%/bin}/.bin"
  mount --bind "$1" ".${1%/bin}/.bin"
  mount -o remount,bind,ro ".${1%/bin}/.bin"
  for each in "$1"/$2; do
    [ -e "$each" ] && echo "${1%/bin}/.bin/${each##*/}"
  done | xargs -r ln -s -t ".$1"
}

mkdir -p dev etc home proc root run/lock run/sshd tmp usr var/log var/lib var/tmp
chmod 1777 tmp var/tmp run/lock
ln -s ../run var/run
ln -s ../run/lock var/lock
for each in /usr/* /usr/local/*; do
  case $each in /usr/bin | /usr/local | /usr/local/bin) ;; *) bind "$each" ;; esac
done
links /usr/bin '*'
links /usr/local/bin 'python*'
for each in /bin /sbin /lib /lib32 /lib64 /libx32; do
  if [ -L "$each" ]; then cp -P "$each" .; elif [ -e "$each" ]; then bind "$each"; fi
done
for each in alternatives group ld.so.cache ld.so.conf ld.so.conf.d localtime login.defs \
  nsswitch.conf passwd protocols security services; do
  [ ! -e "/etc/$each" ] || cp -a "/etc/$each" etc
done
mount -t proc proc proc
mount --rbind /dev dev
for each; do bind "$each"; done

# sh collects the orphans that end up with process 1.
exec chroot . /bin/sh -c '
  echo ready
  exec </dev/null >/dev/null 2>&1
  while :; do sleep 86400 & wait; done
'
