#!/bin/sh
# SPDX-License-Identifier: ISC
# package.sh ARCHIVE FOLDER: makes a Debian source and binary package of the archive (fenby-VERSION.tar.gz) in FOLDER,
# asks lintian, and runs what it holds from a folder where nothing else of Fenby is.
set -eu
archive=$(realpath "$1") folder=$2
debian=$(realpath "$(dirname "$0")/debian")
name=$(basename "$archive" .tar.gz)
version=${name#fenby-}
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
cp "$archive" "fenby_$version.orig.tar.gz"
tar xf "$archive"
cp -r "$debian" "$name/debian"
(cd "$name" && dpkg-buildpackage -us -uc >../log 2>&1) || { tail -n 20 log; exit 1; }
lintian --fail-on error --tag-display-limit 0 ./*.changes
mkdir installed
dpkg -x fenby_"$version"-*_*.deb installed
said=$(installed/usr/bin/fenby --version)
[ "$said" = "fenby $version" ] || { echo "package: fenby --version says \"$said\", expected \"fenby $version\""; exit 1; }
[ -e installed/usr/lib/lv2/fenby.lv2/fenby.so ] || { echo "package: the plugin is missing"; exit 1; }
echo "in $folder:" *.deb *.dsc
