/* test_layout.c - which folders of image files are splits and classes: a table of trees as people have them, each as a
 * folder and as an archive. docs/files.md has the rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/catalog.h"
#include "make_data.h"

#include <strings.h>
#include <time.h>

/* Files that end in .png are pictures, those that end in ! are not readable as such; names that end in / are folders. */
typedef struct tree {
    const char *files;
    const char *right; /* "train a 2 b 1 - 1, val a 1": of each split its classes, -: without a label; or "! MESSAGE" */
    const char *split, *classes, *bad;
    const char *source;        /* the folder's name; NULL: "set" */
    const char *labels, *text; /* labels=, and that file's content */
    const char *names, *words; /* class_names=, and that file's content, if it is one */
} tree;

static const tree trees[] = {
    {.files = "cat/1.png cat/2.png dog/1.png", .right = "train cat 2 dog 1"},
    {.files = "set/cat/1.png set/dog/1.png", .right = "train cat 1 dog 1"},
    {.files = "a/b/c/cat/1.png a/b/c/dog/1.png", .right = "train cat 1 dog 1"},
    {.files = "1.png 2.png", .right = "train - 2"},
    {.files = "images/1.png images/2.png", .right = "train - 2"},
    {.files = "JPEGImages/1.png Annotations/1.xml", .right = "train - 1"},
    {.files = "cat/1.png", .right = "train cat 1"},
    {.files = "cat/1.png 1.png", .right = "train - 1 cat 1"},
    {.files = "cat/1.PNG cat/2.JPG! cat/notes.txt dog/1.Png", .right = "train cat 1 dog 1", .bad = "skip"},
    /* a class may be called like a split */
    {.files = "train/bus/1.png train/car/1.png train/train/1.png val/bus/2.png val/car/2.png val/train/2.png",
     .right = "train bus 1 car 1 train 1, val bus 1 car 1 train 1"},
    {.files = "bus/1.png car/1.png train/1.png train/2.png", .right = "train bus 1 car 1 train 2"},
    {.files = "bus/1.png train/1.png", .right = "train - 1, test - 1", .split = "bus:test"},
    {.files = "bus/1.png train/1.png",
     .right = "! the folder train is called like a split, bus beside it is not",
     .split = "train:train"},
    {.files = "train/a/1.png train/b/1.png", .right = "train a 1 b 1"},
    /* spellings */
    {.files = "Train/a/1.png Test/a/1.png", .right = "train a 1, test a 1"},
    {.files = "Training/a/1.png Testing/a/1.png", .right = "train a 1, test a 1"},
    {.files = "seg_train/seg_train/a/1.png seg_test/seg_test/a/1.png seg_pred/seg_pred/1.png",
     .right = "train a 1, test a 1, unlabeled - 1"},
    {.files = "train/a/1.png dev/a/1.png", .right = "train a 1, val a 1"},
    {.files = "TRAIN/a/1.png VAL/a/1.png", .right = "train a 1, val a 1"},
    {.files = "Train/a/1.png Validation/a/1.png", .right = "train a 1, val a 1"},
    {.files = "training_set/training_set/a/1.png test_set/test_set/a/1.png", .right = "train a 1, test a 1"},
    {.files = "TrainSet/a/1.png TestSet/a/1.png", .right = "train a 1, test a 1"},
    {.files = "trainset/a/1.png valset/a/1.png", .right = "train a 1, val a 1"},
    {.files = "train-images/a/1.png valid-images/a/1.png", .right = "train a 1, val a 1"},
    {.files = "train2017/1.png val2017/2.png unlabeled2017/3.png test2017/4.png annotations/x.json",
     .right = "train - 1, val - 1, test - 1, unlabeled - 1"},
    {.files = "images/train/1.png images/val/1.png labels/train/1.txt", .right = "train - 1, val - 1"},
    {.files = "train/images/1.png train/labels/1.txt valid/images/1.png", .right = "train - 1, val - 1"},
    {.files = "train.X1/a/1.png train.X2/b/1.png val.X/a/1.png val.X/b/1.png Labels.json",
     .right = "train a 1 b 1, val a 1 b 1"},
    {.files = "train/a/1.png unlabelled/1.png", .right = "train a 1, unlabeled - 1"},
    {.files = "train/a/1.png un-labelled/1.png", .right = "train a 1, unlabeled - 1"},
    {.files = "train/a/1.png no_label/1.png", .right = "train a 1, unlabeled - 1"},
    {.files = "train/a/1.png train/b/1.png test/1.png test/2.png", .right = "train a 1 b 1, test - 2"},
    {.files = "a/1.png b/1.png", .right = "val a 1 b 1", .source = "val"},
    {.files = "a/1.png b/1.png", .right = "train a 1 b 1", .source = "ILSVRC2012_img_train"},
    {.files = "train/a/1.png test/a/1.png", .right = "train a 1, test a 1", .source = "train"},
    {.files = "steam_train/1.png bullet_train/1.png", .right = "train bullet_train 1 steam_train 1"},
    {.files = "\xE7\x8C\xAB/1.png \xD1\x81\xD0\xBE\xD0\xB1\xD0\xB0\xD0\xBA\xD0\xB0/1.png",
     .right = "train \xD1\x81\xD0\xBE\xD0\xB1\xD0\xB0\xD0\xBA\xD0\xB0 1 \xE7\x8C\xAB 1"},
    /* Tiny-ImageNet */
    {.files =
         "train/n1/images/1.png train/n1/n1_boxes.txt train/n2/images/1.png val/images/1.png val/val_annotations.txt "
         "wnids.txt",
     .right = "train n1 1 n2 1, val - 1"},
    {.files = "images_001/images/1.png images_002/images/2.png", .right = "train - 2"},
    /* nested classes */
    {.files = "animals/2020/1.png animals/2021/2.png vehicles/2020/1.png", .right = "train animals 2 vehicles 1"},
    {.files = "animals/2020/1.png animals/2021/2.png vehicles/2020/1.png",
     .right = "train 2020 2 2021 1",
     .classes = "last"},
    {.files = "animals/2020/1.png vehicles/2020/1.png",
     .right = "train animals/2020 1 vehicles/2020 1",
     .classes = "path"},
    {.files = "animals/2020/1.png vehicles/2020/1.png", .right = "train - 2", .classes = "none"},
    {.files = "cats/train/1.png cats/test/1.png dogs/train/1.png dogs/test/1.png",
     .right = "train cats 1 dogs 1, test cats 1 dogs 1"},
    {.files = "b/train/good/1.png b/test/good/1.png c/train/good/1.png c/test/good/1.png",
     .right = "! classes=first, classes=last or classes=path decides"},
    {.files = "b/train/good/1.png b/test/good/1.png c/train/good/1.png c/test/good/1.png",
     .right = "train good 2, test good 2",
     .classes = "last"},
    {.files = "b/train/good/1.png b/test/good/1.png c/train/good/1.png c/test/good/1.png",
     .right = "train b/good 1 c/good 1, test b/good 1 c/good 1",
     .classes = "path"},
    /* splits' words among others */
    {.files = "MNIST_train/0/1.png MNIST_train/1/1.png MNIST_test/0/1.png MNIST_test/1/1.png",
     .right = "train 0 1 1 1, test 0 1 1 1"},
    {.files = "flowers-train/1.png flowers-valid/1.png flowers-test/1.png", .right = "train - 1, val - 1, test - 1"},
    {.files = "MNIST_train/0/1.png MNIST_test/0/1.png",
     .right = "train MNIST_test 1 MNIST_train 1",
     .classes = "first"},
    {.files = "MNIST_train/0/1.png MNIST_test/0/1.png notes/1.png",
     .right = "! split=MNIST_test:test,MNIST_train:train makes them splits, classes=first classes"},
    {.files = "trainA/1.png trainB/1.png testA/1.png testB/1.png", /* CycleGAN's */
     .right = "! split=testA:test,testB:test,trainA:train,trainB:train makes them splits"},
    {.files = "trainA/1.png trainB/1.png testA/1.png testB/1.png",
     .right = "train - 2, test - 2",
     .split = "testA:test,testB:test,trainA:train,trainB:train"},
    {.files = "trainA/1.png testA/1.png", .right = "train - 1, test - 1"},
    {.files = "trainA/1.png testB/1.png", .right = "! split=testB:test,trainA:train makes them splits"},
    {.files = "freight_train/1.png steam_train/1.png car/1.png", .right = "train car 1 freight_train 1 steam_train 1"},
    {.files = "crash_test/1.png steam_train/1.png car/1.png", .right = "train car 1 crash_test 1 steam_train 1"},
    {.files = "train/1.png MNIST_test/1.png", .right = "! split=MNIST_test:test,train:train makes them splits"},
    /* folds */
    {.files = "fold0/a/1.png fold1/a/1.png fold2/a/1.png",
     .right = "! split=fold0:val,fold1:train,... makes them splits, classes=last takes the folders in them as classes"},
    {.files = "Fold_1/1.png Fold_2/1.png", .right = "! are called like the parts of a cross-validation"},
    {.files = "train/fold1/a/1.png train/fold2/a/1.png", .right = "! are called like the parts of a cross-validation"},
    {.files = "fold0/a/1.png fold1/a/1.png", .right = "train a 1, val a 1", .split = "fold0:val,fold1:train"},
    {.files = "fold0/a/1.png fold1/a/1.png", .right = "train a 2", .classes = "last"},
    {.files = "fold0/1.png fold1/1.png", .right = "train fold0 1 fold1 1", .classes = "first"},
    {.files = "fold0/1.png fold1/2.png l.csv",
     .right = "train a 1 b 1",
     .labels = "l.csv",
     .text = "1.png,a\n2.png,b\n"},
    {.files = "fold/1.png sheet1/1.png", .right = "train fold 1 sheet1 1"},
    /* what is not clear */
    {.files = "train/a/1.png test/a/1.png extra/1.png",
     .right = "! split=extra:NAME makes that a split, split=extra:none leaves it out"},
    {.files = "train/a/1.png test/a/1.png extra/1.png", .right = "train a 1, test a 1", .split = "extra:none"},
    {.files = "train/a/1.png test/a/1.png extra/1.png",
     .right = "train a 1, test a 1, mine - 1",
     .split = "extra:mine"},
    {.files = "train/a/1.png test/a/1.png 1.png", .right = "train a 1, test a 1"},
    {.files = "a/1.png a/test/2.png b/1.png",
     .right = "! the folder a/test is called like a split, but is in a folder that is something else"},
    {.files = "a/1.png a/test/2.png b/1.png", .right = "train a 1 b 1, test a 1", .split = "a/test:test"},
    {.files = "a/1.png a/test/2.png b/1.png", .right = "train a 2 b 1", .split = "a/test:class"},
    {.files = "train/test/1.png train/val/1.png", .right = "! the folder train/test is called like a split"},
    {.files = "train/images/1.png train/masks/1.png",
     .right = "! split=train/images:none or split=train/masks:none leaves one of them out"},
    {.files = "train/images/1.png train/masks/1.png", .right = "train - 1", .split = "masks:none"},
    {.files = "a/1.png b/1.png", .right = "! no folder c contains images", .split = "c:none"},
    {.files = "train/Cat/1.png test/cat/1.png", .right = "! none in split train, which has a class Cat"},
    {.files = "train/a/1.png test/a/1.png test/b/1.png", .right = "! split=test/b:none leaves it out"},
    {.files = "train/a/1.png test/a/1.png test/b/1.png", .right = "train a 1, test a 1", .split = "test/b:none"},
    {.files = "train/a/1.png test/a/1.png test/b/1.png", .right = "pool a 2 b 1", .split = "pool"},
    {.files = "a/1.png b/", .right = "! the class folder b contains no images; split=b:none leaves it out"},
    {.files = "a/1.png b/", .right = "train a 1", .split = "b:none"},
    {.files = "a/1.png b/x.txt", .right = "train a 1"},
    {.files = "train/a/1.png train/b/1.png val/a/1.png val/b/", .right = "train a 1 b 1, val a 1"},
    {.files = "train/a/1.png val/", .right = "! the split's folder val contains no images"},
    /* junk */
    {.files = "cat/1.png dog/1.png __MACOSX/cat/._1.png! __MACOSX/._cat!", .right = "train cat 1 dog 1"},
    {.files = "cat/1.png cat/@eaDir/1.png/SYNOPHOTO_THUMB_M.png dog/1.png", .right = "train cat 1 dog 1"},
    {.files = "cat/1.png cat/.ipynb_checkpoints/1.png cat/Thumbs.db dog/1.png .git/x.png",
     .right = "train cat 1 dog 1"},
    /* formats that are not read */
    {.files = "a/1.png a/2.heic b/1.png b/2.JXL", .right = "! 2 bad"},
    {.files = "a/1.png a/2.heic b/1.png", .right = "train a 1 b 1", .bad = "skip"},
    {.files = "a/1.heic b/1.heic", .right = "! 1.heic is a HEIC picture, which is not read"},
    /* labels= */
    {.files = "images/a.png images/b.png l.csv",
     .right = "train cat 1 dog 1",
     .labels = "l.csv",
     .text = "path,label\nimages/a.png,cat\nimages/b.png,dog\n"},
    {.files = "a.png b.png c.png l.csv",
     .right = "train x 1 y 1, val x 1",
     .labels = "l.csv",
     .text = "a.png,x,train\nb.png,y,train\nc.png,x,Validation\n"},
    {.files = "train/a.png train/b.png l.csv", /* Kaggle's: names without extension, text in quotes */
     .right = "train Shih, Tzu 1 boxer 1",
     .labels = "l.csv",
     .text = "id,breed\na,boxer\nb,\"Shih, Tzu\"\nz,boxer\n"},
    {.files = "train/n1/images/1.png train/n2/images/1.png val/images/v0.png val/images/v1.png val/val_annotations.txt",
     .right = "train n1 1 n2 1, val n1 1 n2 1",
     .labels = "val/val_annotations.txt", /* Tiny-ImageNet */
     .text = "v0.png\tn2\t0\t32\t44\t62\nv1.png\tn1\t1\t2\t3\t4\n"},
    {.files = "train/n1/0.png train/n2/1.png val/0.png val/1.png val/l.txt", /* the same names in two folders */
     .right = "train n1 1 n2 1, val n1 1 n2 1",
     .labels = "val/l.txt",
     .text = "0.png n2\n1.png n1\n"},
    {.files = "train/n1/1.png train/n2/1.png val/1.png val/2.png gt.txt", /* ImageNet */
     .right = "train n1 1 n2 1, val n1 1 n2 1",
     .labels = "gt.txt",
     .text = "n2\nn1\n"},
    {.files = "train/n01440764/1.png train/n01443537/1.png val/1.png val/2.png gt.txt synsets.txt",
     .right = "train n01440764 1 n01443537 1, val n01440764 1 n01443537 1",
     .labels = "gt.txt",
     .text = "2\n1\n",
     .names = "synsets.txt",
     .words = "n01443537 goldfish, Carassius auratus\nn01440764 tench, Tinca tinca\n"},
    {.files = "val/ILSVRC2012_val_1.png val/ILSVRC2012_val_2.png val.txt", /* Caffe's */
     .right = "val 0 1 65 1",
     .labels = "val.txt",
     .text = "ILSVRC2012_val_1.JPEG 65\nILSVRC2012_val_2.JPEG 0\n"},
    {.files = "val/1.png val/2.png l.csv", /* Kaggle's ImageNet */
     .right = "val n01440764 1 n03995372 1",
     .labels = "l.csv",
     .text = "ImageId,PredictionString\n1,n03995372 85 1 499 272 \n2,n01440764 1 2 3 4 n01440764 5 6 7 8\n"},
    {.files = "a.png b.png c.png l.csv", .right = "train 2 1 9 1 10 1", .labels = "l.csv", .text = "a,10\nb,9\nc,2\n"},
    {.files = "cat/1.png cat/2.png l.csv", .right = "train cat 1 dog 1", .labels = "l.csv", .text = "cat/1.png,dog\n"},
    {.files = "x/1.png x/2.png l.csv", .right = "train a 1 b 1", .labels = "l.csv", .text = "x/1.png,a\nx/2.png,b\n"},
    {.files = "a.png b.png l.csv",
     .right = "train 1 1, test 1 1",
     .labels = "l.csv",
     .text = "\xEF\xBB\xBFimage;is_train;class\r\na.png;1;1\r\nb.png;0;1\r\n"},
    {.files = "a.png b.png l.csv",
     .right = "train 1 1, fold3 1 1",
     .labels = "l.csv",
     .text = "file,class,split\n.\\a.png,1,train\n/b.png,1,fold3\n"},
    {.files = "a.png b.png l.csv", .right = "train - 1 x 1", .labels = "l.csv", .text = "a.png,x\nb.png,\n"},
    {.files = "p/a.png q/a.png l.csv",
     .right = "! row 1 names a.png, which may be ",
     .labels = "l.csv",
     .text = "a.png,x\n"},
    {.files = "p/a.png q/a.png l.csv", .right = "train p 1 x 1", .labels = "l.csv", .text = "q/a.png,x\n"},
    {.files = "a.png l.csv",
     .right = "! row 2 gives a.png another label",
     .labels = "l.csv",
     .text = "a.png,x\na.png,y\n"},
    {.files = "a.png l.csv",
     .right = "! none of its 1 rows names an image; the first names b.png",
     .labels = "l.csv",
     .text = "b.png,x\n"},
    {.files = "a.png b.png l.csv",
     .right = "! has 1 lines, but 2 images have no label",
     .labels = "l.csv",
     .text = "x\n"},
    {.files = "a.png b.png l.csv",
     .right = "! row 2 has 1 columns, but column 2 is the label",
     .labels = "l.csv",
     .text = "a.png,x\nb.png\n"},
    {.files = "a.png b.png l.csv", /* ISIC's: a column for each class */
     .right = "! row 1 names the columns image, MEL, NV, but none of them is known as the label",
     .labels = "l.csv",
     .text = "image,MEL,NV\na,0.0,1.0\nb,1.0,0.0\n"},
    {.files = "a.png b.png l.csv", /* HAM10000's */
     .right = "train mel 1 nv 1",
     .labels = "l.csv",
     .text = "lesion_id,image_id,dx\nH1,a,nv\nH2,b,mel\n"},
    {.files = "a.png b.png l.csv", /* a quote that does not end swallows the rows behind it */
     .right = "! l.csv: row 2 has a quote that does not end",
     .labels = "l.csv",
     .text = "a.png,x\n\"b.png,y\n"},
    {.files = "a.png b.png c.png l.csv",
     .right = "! l.csv: row 2 goes on over several lines; is a quote missing?",
     .labels = "l.csv",
     .text = "a.png,x\nb.png,\"y\nc.png,z\"\n"},
    {.files = "a.png b.png l.csv",
     .right = "train 5\" disc 1 x 1",
     .labels = "l.csv",
     .text = "a.png,5\" disc\n\"b.png\",\"x\"\n"},
    {.files = "p/a.png q/b.png l.csv", /* a path that is longer than the source's, by several folders */
     .right = "train q 1 x 1",
     .labels = "l.csv",
     .text = "/home/me/set/p/a.png,x\n"},
    {.files = "p/a.png r/p/a.png r/l.csv", /* the own folder goes before others */
     .right = "train p 1 x 1",
     .labels = "r/l.csv",
     .text = "p/a.png,x\n"},
    {.files = "p/xa.png q/b.png l.csv", /* only at a slash */
     .right = "! none of its 1 rows names an image",
     .labels = "l.csv",
     .text = "a.png,x\n"},
    {.files = "a/1.png b/1.png class_names.txt", /* it is not only STL-10's */
     .right = "train cat 1 dog 1",
     .names = "class_names.txt",
     .words = "cat\ndog\n"},
    {.files = "a.png l.csv", .right = "! contains no labels", .labels = "l.csv", .text = "\n\n"},
    {.files = "a.png", .right = "! cannot be opened, and is in no source", .labels = "l.csv"},
    {.files = "p/a.png p/l.csv l.csv", .right = "! give more of its path", .labels = "l.csv", .text = "a.png,x\n"},
    {.files = "a.png b.png l.csv n.txt",
     .right = "! it is not clear whether they count the 9 names of class_names from 0 or from 1",
     .labels = "l.csv",
     .text = "a,3\nb,4\n",
     .names = "n.txt",
     .words = "a\nb\nc\nd\ne\nf\ng\nh\ni\n"},
    {.files = "0/1.png 1/1.png n.txt",
     .right = "train cat 1 great dog 1",
     .names = "n.txt",
     .words = "cat\ngreat dog\n"},
    {.files = "1.png n.txt",
     .right = "! class_names gives 1 names, but the sources have 0 classes",
     .names = "n.txt",
     .words = "cat\n"},
    /* the option */
    {.files = "a/1.png", .right = "! split: the shares add up to 0.8, not to 1", .split = "train:0.7,val:0.1"},
    {.files = "a/1.png", .right = "! the share of val must be between 0 and 1", .split = "train:0.9,val:-1"},
    {.files = "a/1.png", .right = "! split: train occurs twice", .split = "train:0.5,train:0.5"},
    {.files = "a/1.png", .right = "! split: ':test' is neither NAME, NAME:SHARE nor FOLDER:NAME", .split = ":test"},
    {.files = "train/a/1.png val/a/1.png", .right = "! there is a split val already", .split = "train:0.5,val:0.5"},
    {.files = "a/1.png", .right = "! no image is in val, which is to be divided", .split = "val:0.5,test:0.5"},
    {.files = "a/1.png a/2.png a/3.png a/4.png b/1.png b/2.png b/3.png b/4.png",
     .right = "train a 3 b 3, val a 1 b 1",
     .split = "train:0.75,val:0.25"},
    {.files = "a/1.png a/2.png b/1.png", .right = "train a 1 b 1, val a 1", .split = "train:0.9,val:0.1"},
};

/* ---- making the trees -------------------------------------------------------------------------------------------- */

static bool next_file(const char **list, char file[200])
{
    *list += strspn(*list, " ");
    size_t length = strcspn(*list, " ");
    snprintf(file, 200, "%.*s", (int)length, *list);
    *list += length;
    return length > 0;
}

/* Gives the bytes of a file by its name; NULL: it is a folder. */
static blob content_of(const tree *t, char *file)
{
    size_t length = strlen(file);
    if (t->labels && strcmp(file, t->labels) == 0)
        return (blob){(uint8_t *)px_strdup(t->text), strlen(t->text)};
    if (t->names && strcmp(file, t->names) == 0)
        return (blob){(uint8_t *)px_strdup(t->words), strlen(t->words)};
    if (file[length - 1] == '/')
        return (blob){NULL, 0};
    const char *dot = strrchr(file, '.');
    if (dot && strcasecmp(dot, ".png") == 0)
        return make_flat_png(4, 4, 3, 9);
    if (file[length - 1] == '!')
        file[length - 1] = '\0';
    return (blob){(uint8_t *)px_strdup("text"), 4};
}

static char *make_tree(const char *folder, const tree *t)
{
    char file[200];
    const char *root = t->source ? t->source : "set";
    for (const char *list = t->files; next_file(&list, file);) {
        blob b = content_of(t, file);
        char *name = px_format("%s/%s%s", root, file, b.bytes ? "" : "x");
        char *path = write_file(folder, name, b.bytes ? (void *)b.bytes : "", b.size);
        if (!b.bytes)
            unlink(path); /* leaves the folder */
        free(path);
        free(name);
        free(b.bytes);
    }
    return px_format("%s/%s", folder, root);
}

/* Backwards, so that nothing depends on the order. */
static char *make_archive(const char *folder, const tree *t)
{
    char file[200], *path = px_format("%s/%s.tar.gz", folder, t->source ? t->source : "set");
    struct archive *a = begin_archive(path, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP);
    int files = 0;
    for (const char *list = t->files; next_file(&list, file);)
        files++;
    for (int k = files - 1; k >= 0; k--) {
        const char *list = t->files;
        for (int i = 0; i <= k; i++)
            next_file(&list, file);
        blob b = content_of(t, file);
        add_entry(a, file, b.bytes, b.size);
        free(b.bytes);
    }
    end_archive(a);
    return path;
}

/* ---- what was understood ----------------------------------------------------------------------------------------- */

/* In the words of the table. */
static char *describe(const px_catalog *c)
{
    char *text = px_strdup("");
    for (int s = 0; s < c->splits.count; s++) {
        if (c->in_split[s] == 0)
            continue;
        char *longer = px_format("%s%s%s", text, *text ? ", " : "", px_split_name(c, s));
        free(text);
        text = longer;
        for (int class = -1; class < c->classes; class ++) {
            int images = 0;
            for (size_t k = 0; k < c->block_count; k++) {
                int split = c->split_of_row ? c->split_of_row[c->blocks[k].row] : c->blocks[k].split;
                images += split == s && c->blocks[k].label == class;
            }
            if (images == 0)
                continue;
            longer = px_format("%s %s %d", text, class < 0 ? "-" : c->class_names[class], images);
            free(text);
            text = longer;
        }
    }
    return text;
}

/* How many links were left out by the last understand(). */
static int64_t lost_links;

static char *understand(const char *source, const tree *t)
{
    px_pack_options o = {.store = "auto", .class_names = ""};
    px_log log = px_log_make(stderr, true);
    px_catalog c = {0};
    const char *const sources[] = {source}; /* the catalog keeps the array */
    o.split = t->split ? t->split : "";
    o.classes = t->classes ? t->classes : "auto";
    o.bad = t->bad ? t->bad : "stop";
    o.labels = t->labels;
    o.class_names = t->names ? t->names : "";
    char *seen, *text = NULL;
    if (px_catalog_make(&c, sources, 1, &o, &log) != 0)
        seen = px_format("! %s", px_error());
    else if (c.bad_count > 0 && !t->bad)
        seen = px_format("! %d bad", c.bad_count);
    else
        seen = describe(&c);
    if (seen[0] != '!')
        assert_non_null(strstr(text = px_catalog_text(&c), "found in"));
    free(text);
    lost_links = c.lost;
    px_catalog_free(&c);
    return seen;
}

static int check(const tree *t, char *source)
{
    char *seen = understand(source, t);
    bool refused = t->right[0] == '!';
    bool right = refused ? seen[0] == '!' && strstr(seen, t->right + 2) : strcmp(seen, t->right) == 0;
    if (!right)
        print_error("%s (%s): '%s', not '%s'\n", t->files, source, seen, t->right);
    free(seen);
    free(source);
    return right ? 0 : 1;
}

static void all_trees(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        char *folder = make_folder();
        wrong += check(&trees[i], make_tree(folder, &trees[i]));
        wrong += check(&trees[i], make_archive(folder, &trees[i]));
        remove_folder(folder);
    }
    assert_int_equal(wrong, 0);
}

static void add_link(struct archive *a, const char *path, const char *to, bool hard)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, hard ? AE_IFREG : AE_IFLNK);
    archive_entry_set_perm(e, 0755);
    if (hard)
        archive_entry_set_hardlink(e, to);
    else
        archive_entry_set_symlink(e, to);
    PX_CHECK(archive_write_header(a, e) == ARCHIVE_OK);
    archive_entry_free(e);
}

static const struct {
    const char *path, *to;
    bool hard;
} all_links[] = {{"b/2.png", "a/1.png", true},     {"c", "a", false},
                 {"d/3.png", "../a/1.png", false}, {"e/4.png", "../d/3.png", false},
                 {"f/5.png", "../z/9.png", false}, {"y", "c", false}};
static const char linked[] = "train a 1 b 1 c 1 d 1 e 1 f 1 y 1 z 1";

/* Links, hard and symbolic, to files, folders, other links, and to what comes later, count as what they point to. */
static void links_in_archives(void **state)
{
    (void)state;
    static const int formats[] = {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED};
    for (int f = 0; f < 2; f++) {
        char *folder = make_folder(), *path = px_format("%s/links.tar.gz", folder);
        struct archive *a = begin_archive(path, formats[f], ARCHIVE_FILTER_GZIP);
        blob png = make_flat_png(4, 4, 3, 9);
        add_entry(a, "a/1.png", png.bytes, png.size);
        for (size_t k = 0; k < sizeof all_links / sizeof *all_links; k++)
            add_link(a, all_links[k].path, all_links[k].to, all_links[k].hard);
        add_link(a, "a/up", "..", false); /* these lead nowhere */
        add_link(a, "g/1.png", "/etc/passwd", false);
        add_link(a, "g/2.png", "../../x.png", false);
        add_link(a, "g/3.png", "4.png", false);
        add_link(a, "g/4.png", "3.png", false);
        add_link(a, "g/5.png", "none.png", false);
        add_link(a, "h", "empty", false); /* leads to a folder, which has no files */
        add_link(a, ".hidden", "/etc/passwd", false);
        add_entry(a, "empty", NULL, 0);
        add_entry(a, "empty/note.txt", "text", 4);
        add_entry(a, "z/9.png", png.bytes, png.size);
        end_archive(a);
        free(png.bytes);
        assert_int_equal(check(&(tree){.files = "links", .right = linked}, path), 0);
        assert_int_equal(lost_links, 6);
        remove_folder(folder);
    }
}

static void links_in_folders(void **state)
{
    (void)state;
    char *folder = make_folder(), *root = make_tree(folder, &(tree){.files = "a/1.png z/9.png b/ d/ e/ f/"});
    for (size_t k = 0; k < sizeof all_links / sizeof *all_links; k++) {
        char *path = px_format("%s/%s", root, all_links[k].path), *target = px_format("%s/%s", root, all_links[k].to);
        PX_CHECK((all_links[k].hard ? link(target, path) : symlink(all_links[k].to, path)) == 0);
        free(path);
        free(target);
    }
    assert_int_equal(check(&(tree){.files = "links", .right = linked}, root), 0);
    remove_folder(folder);
}

/* Two sources, one letter, a trailing slash: paths begin with the folder. */
static void paths(void **state)
{
    (void)state;
    char *folder = make_folder(), cwd[4096];
    PX_CHECK(getcwd(cwd, sizeof cwd) && chdir(folder) == 0);
    free(make_tree(folder, &(tree){.files = "x/1.png y/1.png", .source = "a"}));
    static const char *const names[] = {"a", "a/", "./a", "a//"};
    for (int i = 0; i < 4; i++) {
        px_pack_options o = {.store = "auto", .split = "", .class_names = ""};
        px_log log = px_log_make(stderr, true);
        px_catalog c = {0};
        assert_int_equal(px_catalog_make(&c, &names[i], 1, &o, &log), 0);
        assert_string_equal(c.blocks[0].path, "x/1.png");
        px_catalog_free(&c);
    }
    PX_CHECK(chdir(cwd) == 0);
    remove_folder(folder);
}

/* Rows that name the same file in many folders, and as many empty folders: what took minutes must not grow with the
 * square. With linear searches these took 7 s. */
static void many_folders(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    enum { FOLDERS = 700, SECONDS = 60 };
#else
    enum { FOLDERS = 10500, SECONDS = 5 };
#endif
    char *folder = make_folder(), *path = px_format("%s/set.tar", folder), *text = NULL;
    struct archive *a = begin_archive(path, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    blob png = make_flat_png(4, 4, 3, 9);
    size_t length = 0;
    FILE *rows = open_memstream(&text, &length);
    for (int k = 0; k < FOLDERS; k++) {
        char name[64];
        snprintf(name, sizeof name, "train/%d/1.png", k);
        add_entry(a, name, png.bytes, png.size);
        fprintf(rows, "%d/1.png,%d\n", k, k % 7);
        snprintf(name, sizeof name, "train/%d-empty", k);
        add_entry(a, name, NULL, 0);
        snprintf(name, sizeof name, "train/%d-empty/note.txt", k);
        add_entry(a, name, "no picture", 10);
    }
    fclose(rows);
    add_entry(a, "l.csv", text, length);
    end_archive(a);
    const int each = FOLDERS / 7;
    char *right = px_format("train 0 %d 1 %d 2 %d 3 %d 4 %d 5 %d 6 %d", each, each, each, each, each, each, each);
    tree t = {.files = "many folders", .right = right, .labels = "l.csv"};
    clock_t start = clock();
    assert_int_equal(check(&t, px_strdup(path)), 0);
    t.labels = NULL;
    t.right = "! no";
    char *seen = understand(path, &t);
    assert_memory_equal(seen, "train 0 1 1 1 10 1", 18);
    assert_true(clock() - start < SECONDS * CLOCKS_PER_SEC);
    free(right);
    free(seen);
    free(text);
    free(path);
    free(png.bytes);
    remove_folder(folder);
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int split;
    } rows[] = {{"train", PX_SPLIT_TRAIN},
                {"TRAIN_SET", PX_SPLIT_TRAIN},
                {"trainval", PX_SPLIT_TRAIN},
                {"train_val", PX_SPLIT_TRAIN},
                {"imgs-train", PX_SPLIT_TRAIN},
                {"val_256", PX_SPLIT_VAL},
                {"validation", PX_SPLIT_VAL},
                {"test1", PX_SPLIT_TEST},
                {"TestImages", PX_SPLIT_TEST},
                {"UnlabeledData", PX_SPLIT_UNLABELED},
                {"trains", -1},
                {"train_test", -1},
                {"train station", -1},
                {"valley", -1},
                {"contest", -1},
                {"images", -1},
                {"", -1},
                {"2017", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (px_split_of_name(rows[i].name, strlen(rows[i].name)) != rows[i].split)
            fail_msg("%s is split %d", rows[i].name, px_split_of_name(rows[i].name, strlen(rows[i].name)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_trees),        cmocka_unit_test(links_in_archives),
                                       cmocka_unit_test(links_in_folders), cmocka_unit_test(paths),
                                       cmocka_unit_test(many_folders),     cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
